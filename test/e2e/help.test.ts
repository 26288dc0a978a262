import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { commandTable } from '../../src/cli/command-table.ts';
import { runForTest } from '../../src/cli/testing.ts';

/** The width of a terminal that nobody has made larger. */
const columns = 80;

/** The words that call each command, families' members included. */
async function everyCommand(): Promise<string[][]> {
  const all: string[][] = [];
  for (const [name, listing] of Object.entries(commandTable)) {
    all.push([name]);
    const command = await listing.load();
    if (command.kind === 'family')
      for (const member of Object.keys(command.members)) all.push([name, member]);
  }
  return all;
}

describe('help', () => {
  test('fits the width of a terminal, on every page', async () => {
    const pages = [[], ['help', 'options'], ...(await everyCommand()).map((words) => [...words, '--help'])];
    for (const page of pages) {
      const { status, stdout } = await runForTest(page);
      assert.equal(status, 0, page.join(' '));
      const long = stdout.split('\n').filter((line) => [...line].length > columns);
      assert.deepEqual(long, [], page.join(' '));
    }
  });

  test('names each command as it is called, and once', async () => {
    for (const words of await everyCommand()) {
      const { stdout } = await runForTest([...words, '--help']);
      const [, usage = ''] = stdout.split('Usage:\n');
      assert.match(usage, new RegExp(`^ +lifeboat ${words.join(' ')}(?! ${words.at(-1)}\\b)( |\n)`), stdout);
    }
  });

  test('gives examples that call the command they stand under', async () => {
    for (const words of await everyCommand()) {
      const { stdout } = await runForTest([...words, '--help']);
      const [, examples] = stdout.split('Examples:\n');
      const called = [...(examples ?? '').matchAll(/^ {2}([^ #].*\blifeboat .*|lifeboat .*)$/gm)].map(
        (match) => match[1] ?? '',
      );
      const others = called.filter((line) => !words.every((word) => line.split(' ').includes(word)));
      assert.deepEqual(others, [], words.join(' '));
    }
  });
});
