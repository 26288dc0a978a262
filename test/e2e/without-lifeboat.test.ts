import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { saveHistory } from '../../src/journal/history.ts';
import { pieceKey } from '../../src/journal/layout.ts';
import { savePiece } from '../../src/journal/save.ts';
import { journalEnvelope } from '../../src/repository/envelope.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { lifeboat, succeed } from '../programs.ts';

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
  ['/media/usb', join(folder, 'usb')],
];

function filledIn(block: string): string {
  return values.reduce((text, [example, real]) => text.replaceAll(example, real), block);
}

const stream = { source: 'app-db', stream: '7301234567890123456' };
const unitBytes = 2 ** 20;
const history = '1\t0/300200\tno recovery target specified\n';
/** Segments by name; the last one is not complete. */
const segments: readonly (readonly [string, Buffer])[] = [
  ['000000010000000000000002', Buffer.alloc(unitBytes, 'a segment in one piece ')],
  ['000000010000000000000003', Buffer.alloc(unitBytes, 'a segment in several pieces ')],
  ['000000020000000000000004', Buffer.alloc(unitBytes).fill('the newest one ', 0, 70_000)],
];

/** As the receiver stores it, with pieces that overlap and one object that is damaged. */
async function writeJournal(): Promise<void> {
  const opened = await openRepository(localStorage(repository), password);
  const envelope = journalEnvelope(opened, { threads: 0 });
  const place = { name: 'local', storage: opened.storage, envelope };
  const save = (number: number, from: number, to: number) => {
    const [unit, bytes] = segments[number]!;
    return savePiece(place, stream, { unit, from, unitBytes }, bytes.subarray(from, to));
  };
  await save(0, 0, unitBytes);
  await save(1, 0, 300_000);
  await save(1, 250_000, 900_001);
  await save(1, 900_001, unitBytes);
  await save(2, 0, 70_000);
  await saveHistory(place, stream, 2, Buffer.from(history));
  const { piece } = await save(2, 70_000, 80_000);
  const path = join(repository, pieceKey(stream, piece));
  const damaged = readFileSync(path);
  damaged[30]! ^= 1;
  chmodSync(path, 0o600);
  writeFileSync(path, damaged);
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
  test('gets everything back with stock restic, command by command as it is written', async () => {
    mkdirSync(join(data, 'empty'), { recursive: true });
    writeFileSync(join(data, 'ledger.txt'), ledger);
    writeFileSync(join(data, 'naïve name.bin'), Buffer.alloc(3_000_000, 'lifeboat'), { mode: 0o640 });
    symlinkSync('ledger.txt', join(data, 'link'));

    execFileSync(lifeboat().path, ['up', '--once', data], {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        LIFEBOAT_REPOSITORY: repository,
        LIFEBOAT_PASSWORD: password,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });

    await writeJournal();
    // Two packs of noise do not fit into one volume.
    for (const name of ['noise', 'more noise']) {
      writeFileSync(join(data, name), randomBytes(200_000));
      await succeed(lifeboat(), ['backup', data], { repository, password });
    }
    mkdirSync(join(folder, 'usb'));
    const exportTo = ['export', '--output', join(folder, 'usb', 'app-%03d.tar'), '--volume-size', '300k'];
    await succeed(lifeboat(), exportTo, { repository, password });
    assert.ok(readdirSync(join(folder, 'usb')).length > 1);

    const home = join(folder, 'another machine');
    mkdirSync(home);
    const output = runAsWritten(blocks, home);
    assert.match(output, /no errors were found/);
    assert.equal(readFileSync(join(home, 'ledger.txt'), 'utf8'), ledger);
    for (const restored of ['restored', 'from-export']) {
      const there = join(home, restored, data);
      assert.equal(execFileSync('diff', ['-r', '--no-dereference', data, there]).toString(), '', restored);
    }
    for (const [unit, bytes] of segments)
      assert.ok(readFileSync(join(home, 'wal', unit)).equals(bytes), unit);
    assert.equal(readFileSync(join(home, 'wal', '00000002.history'), 'utf8'), history);
    assert.match(output, /^damaged: 000000020000000000000004-00011170-00013880\./m);
  });

  test('has the values that the reader replaces', () => {
    for (const [example] of values) assert.ok(blocks.join('').includes(example), example);
  });
});
