import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errorRegistry } from '../../src/core/errors.ts';
import { read, sourceFiles } from './sources.ts';

const page = 'docs/errors/README.md';

/** The page's sections by error code. */
function sections(): Map<string, string> {
  const parts = read(page).split(/^## /m).slice(1);
  return new Map(parts.map((part) => [part.match(/^`([^`]+)`/)?.[1] ?? part.split('\n')[0] ?? '', part]));
}

/** The line of a section that repeats the registry. */
function facts(code: keyof typeof errorRegistry): string {
  const { exit, retryable, hint } = errorRegistry[code];
  return `Exit status ${exit}. Trying again ${retryable ? 'may help' : 'does not help'}. Hint: ${hint}.`;
}

const codes = Object.keys(errorRegistry) as (keyof typeof errorRegistry)[];

describe(page, () => {
  const documented = sections();

  test('has a section for every code, and for nothing else', () => {
    assert.deepEqual([...documented.keys()].sort(), [...codes].sort());
  });

  for (const code of codes) {
    test(`tells of ${code} what the registry says, why it happens and what to do`, () => {
      const section = documented.get(code) ?? '';
      assert.ok(section.includes(facts(code)), `its section needs this line:\n${facts(code)}`);
      assert.match(section, /^\*\*Why\.\*\* \S/m);
      assert.match(section, /^\*\*What to do\.\*\* \S/m);
    });
  }
});

describe('error codes', () => {
  test('that are raised are in the registry', () => {
    const raised = sourceFiles().flatMap(({ path, text }) =>
      [...text.matchAll(/new LifeboatError\(\s*'([^']+)'/g)].map((match) => ({
        path,
        code: match[1] as string,
      })),
    );
    assert.deepEqual(
      raised.filter(({ code }) => !(code in errorRegistry)),
      [],
    );
  });
});
