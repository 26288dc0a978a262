import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseConfiguration } from '../../src/app/configuration/parse.ts';
import { configurationJsonSchema } from '../../src/app/configuration/schema.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly default?: unknown;
  readonly description?: string;
}

/** Every key that a file may have, with what the schema says of it. */
function keysOf(schema: Schema): [string, Schema][] {
  const inner = [schema.items, schema.additionalProperties, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([key, value]): [string, Schema][] => [
      [key, value],
      ...keysOf(value),
    ]),
    ...inner.flatMap((each) => (typeof each === 'object' ? keysOf(each) : [])),
  ];
}

describe('docs/configuration.md', () => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
  const keys = keysOf(configurationJsonSchema() as Schema);

  test('has examples, and each of them is valid', () => {
    assert.ok(examples.length >= 5);
    for (const example of examples) {
      const { problems, warnings } = parseConfiguration(example, { path: '/etc/lifeboat.yaml', home: '/' });
      assert.deepEqual([problems, warnings], [[], []], example);
    }
  });

  test('tells of every key', () => {
    assert.ok(keys.length > 30);
    const silent = keys.filter(([key]) => !page.includes(`\`${key}\``) && !page.includes(`\`${key}: `));
    assert.deepEqual(
      silent.map(([key]) => key),
      [],
    );
  });

  test('tells the defaults that the schema has', () => {
    const plain = keys.filter(([, { default: value }]) =>
      ['string', 'number', 'boolean'].includes(typeof value),
    );
    assert.ok(plain.length >= 9);
    for (const [key, { default: value }] of plain) {
      assert.match(page, new RegExp(`^\\| \`${key}\` \\| \`${String(value)}\` \\|`, 'm'), key);
    }
  });

  test('is no better than the schema: every key is described there too', () => {
    const silent = keys.filter(([key, { description }]) => !description && key !== 'type');
    assert.deepEqual(
      silent.map(([key]) => key),
      [],
    );
  });
});
