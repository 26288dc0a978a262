import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'without-lifeboat.md'), 'utf8');
const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string);

const folder = mkdtempSync(join(tmpdir(), 'without-lifeboat-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const repository = join(folder, 'repository');
const password = "correct horse ' battery";
const data = join(folder, 'srv', 'data');
const ledger = 'paid 12.50\n'.repeat(1000);

/** The page's example values and what stands for them here. */
const values: readonly (readonly [string, string])[] = [
  ['/mnt/backup/lifeboat', repository],
  ["'the password from the recovery kit'", `'${password.replaceAll("'", "'\\''")}'`],
  ['/srv/app/data/ledger.txt', join(data, 'ledger.txt')],
];

function filledIn(block: string): string {
  return values.reduce((text, [example, real]) => text.replaceAll(example, real), block);
}

/** The script's exit status is that of its first command that fails. */
function runAsWritten(blocksOfPage: readonly string[], workingFolder: string): string {
  return execFileSync('sh', ['-eu'], {
    cwd: workingFolder,
    input: blocksOfPage.map(filledIn).join('\n'),
    env: { PATH: process.env.PATH, HOME: folder, RESTIC_CACHE_DIR: join(folder, 'cache') },
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

describe('docs/without-lifeboat.md', () => {
  test('gets everything back with stock restic, command by command as it is written', () => {
    mkdirSync(join(data, 'empty'), { recursive: true });
    writeFileSync(join(data, 'ledger.txt'), ledger);
    writeFileSync(join(data, 'naïve name.bin'), Buffer.alloc(3_000_000, 'lifeboat'), { mode: 0o640 });
    symlinkSync('ledger.txt', join(data, 'link'));

    execFileSync(join(root, 'bin', 'lifeboat'), ['up', '--once', data], {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        LIFEBOAT_REPOSITORY: repository,
        LIFEBOAT_PASSWORD: password,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });

    const home = join(folder, 'another machine');
    mkdirSync(home);
    const output = runAsWritten(blocks, home);
    assert.match(output, /no errors were found/);
    assert.equal(readFileSync(join(home, 'ledger.txt'), 'utf8'), ledger);
    const difference = execFileSync('diff', ['-r', '--no-dereference', data, join(home, 'restored', data)]);
    assert.equal(difference.toString(), '');
  });

  test('has the values that the reader replaces', () => {
    for (const [example] of values) assert.ok(blocks.join('').includes(example), example);
  });
});
