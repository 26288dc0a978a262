import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { chdir, cwd } from 'node:process';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { CommandResult } from '../../src/cli/testing.ts';
import type { JsonObject } from '../programs.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('options');
  sandbox.write('one', 'one');
  sandbox.write('two', 'two');
  sandbox.write('folder/three', 'three');
});
afterEach(() => sandbox.remove());

const ok = ({ status, stdout, stderr }: CommandResult): CommandResult => {
  assert.equal(status, 0, stdout + stderr);
  return { status, stdout, stderr };
};

const jsonLines = (text: string): JsonObject[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject);

/** The summary of a backup: the last line that it prints. */
async function summary(...args: string[]): Promise<JsonObject> {
  const { stdout } = ok(await sandbox.backup('--json', '--quiet', ...args));
  return jsonLines(stdout).at(-1)!;
}

/** New, changed and unmodified files. */
async function files(...args: string[]): Promise<unknown[]> {
  const { files_new, files_changed, files_unmodified } = await summary(sandbox.source, ...args);
  return [files_new, files_changed, files_unmodified];
}

describe('the parent snapshot', () => {
  test('spares files that did not change', async () => {
    assert.deepEqual(await files(), [3, 0, 0]);
    assert.deepEqual(await files(), [0, 0, 3]);
    sandbox.write('one', 'other');
    sandbox.write('four', 'four');
    assert.deepEqual(await files(), [1, 1, 2]);
    const [first, second, third] = await sandbox.snapshots();
    assert.equal(first!.parent, undefined);
    assert.equal(second!.parent, first!.id);
    assert.equal(third!.parent, second!.id);
  });

  test('is of the same host and paths, unless --group-by says otherwise', async () => {
    await files();
    assert.deepEqual(await files('--host', 'other'), [3, 0, 0]);
    assert.deepEqual(await files('--host', 'third', '--group-by', 'paths'), [0, 0, 3]);
    const beside = sandbox.path('beside');
    mkdirSync(beside);
    assert.equal((await summary(sandbox.source, beside)).files_new, 3);
    assert.equal((await summary(sandbox.source, beside, '--group-by', 'host', '--tag', 'a')).files_new, 0);
    assert.equal((await summary(sandbox.source, '--group-by', 'tags', '--tag', 'b')).files_new, 3);
    assert.equal((await summary(sandbox.source, '--group-by', '')).files_new, 0);
  });

  test('may be named, and has to exist', async () => {
    await files('--host', 'first');
    const { id } = await sandbox.latest();
    assert.deepEqual(await files('--parent', id), [0, 0, 3]);
    assert.equal((await sandbox.latest()).parent, id);
    assert.deepEqual(await files('--parent', id.slice(0, 8), '--force'), [3, 0, 0]);
    const { status } = await sandbox.backup(sandbox.source, '--parent', 'ffffffff');
    assert.equal(status, 1);
  });

  test('is not younger than the time that is given', async () => {
    await files('--time', '2026-03-01 00:00:00');
    assert.deepEqual(await files('--time', '2026-02-01 00:00:00'), [3, 0, 0]);
    assert.deepEqual(await files('--time', '2026-02-15 00:00:00'), [0, 0, 3]);
  });

  test('is left out of account with --force', async () => {
    await files();
    assert.deepEqual(await files('--force'), [3, 0, 0]);
    assert.equal((await sandbox.latest()).parent, undefined);
  });

  test('whose tree is gone makes files be read anew, with a warning', async () => {
    await files();
    const packs = sandbox.filesInRepository().filter((path) => path.includes('/data/'));
    for (const path of packs) chmodSync(path, 0o600);
    for (const path of packs) writeFileSync(path, randomBytes(statSync(path).size));
    const { stderr } = ok(await sandbox.backup(sandbox.source));
    assert.match(stderr, /a tree of the parent snapshot cannot be read/);
  });
});

describe('a file counts as changed', () => {
  test('by its change time, unless --ignore-ctime', async () => {
    const { mtime } = statSync(sandbox.write('one', 'one'));
    await files();
    chmodSync(sandbox.path('source/one'), 0o600);
    assert.deepEqual(await files('--ignore-ctime'), [0, 0, 3]);
    utimesSync(sandbox.path('source/one'), mtime, mtime);
    assert.deepEqual(await files(), [0, 1, 2]);
  });

  test('by its inode, unless --ignore-inode', async () => {
    const path = sandbox.path('source/one');
    utimesSync(path, 1e9, 1e9);
    await files();
    const replace = (): void => {
      // The old inode stays taken, so that it is not used again for this one.
      const old = sandbox.path('old inode');
      renameSync(path, old);
      writeFileSync(path, readFileSync(old));
      rmSync(old);
      utimesSync(path, 1e9, 1e9);
    };
    replace();
    assert.deepEqual(await files('--ignore-inode'), [0, 0, 3]);
    replace();
    assert.deepEqual(await files('--ignore-ctime'), [0, 1, 2]);
  });
});

test('--skip-if-unchanged makes no second snapshot of the same', async (t) => {
  // By a relative path: the folders above an absolute one, whose times others change, are in the tree as well.
  const started = cwd();
  t.after(() => chdir(started));
  chdir(sandbox.path(''));
  ok(await sandbox.backup('source', '--skip-if-unchanged'));
  const { stdout } = ok(await sandbox.backup('source', '--skip-if-unchanged'));
  assert.match(stdout, /skipped creating snapshot/);
  assert.equal((await sandbox.snapshots()).length, 1);
  sandbox.write('one', 'changed');
  ok(await sandbox.backup('source', '--skip-if-unchanged'));
  assert.equal((await sandbox.snapshots()).length, 2);
});

test('--tag, --host and --time are recorded', async () => {
  ok(
    await sandbox.backup(
      sandbox.source,
      '--tag',
      'a,b',
      '--tag',
      'c',
      '-H',
      'elsewhere',
      '--time',
      '2026-01-02 03:04:05',
    ),
  );
  const { tags, hostname, time, excludes } = await sandbox.latest();
  assert.deepEqual(tags, ['a', 'b', 'c']);
  assert.equal(hostname, 'elsewhere');
  assert.match(time, /^2026-01-02T03:04:05[Z+-]/);
  assert.equal(excludes, undefined);
  for (const wrong of [
    ['--time', 'tomorrow'],
    ['--read-concurrency', '0'],
    ['--group-by', 'size'],
    ['--exclude-larger-than', 'x'],
  ])
    assert.equal((await sandbox.backup(sandbox.source, ...wrong)).status, 1, wrong.join(' '));
});

test('--with-atime records when a file was last read', async () => {
  utimesSync(sandbox.path('source/one'), 1e9, 1.1e9);
  const one = async (...args: string[]) => {
    ok(await sandbox.backup(sandbox.source, '--force', ...args));
    return (await sandbox.entries(await sandbox.latest(), sandbox.source)).get('one')!;
  };
  const without = await one();
  assert.equal(without.atime, without.mtime);
  utimesSync(sandbox.path('source/one'), 1e9, 1.1e9);
  const { atime, mtime } = await one('--with-atime');
  assert.match(atime, /^2001-09-09T01:46:40/);
  assert.match(mtime, /^2004-/);
});

test('--dry-run writes nothing at all, takes no lock and says what would be', async () => {
  await files();
  sandbox.write('four', randomBytes(100_000));
  const before = sandbox.filesInRepository().map((path) => [path, statSync(path).mtimeMs]);
  // Not even a lock file could be written.
  const found = await summary(sandbox.source, '--dry-run');
  assert.deepEqual([found.files_new, found.files_unmodified, found.dry_run], [1, 3, true]);
  assert.ok(Number(found.data_added) > 100_000);
  assert.deepEqual(
    sandbox.filesInRepository().map((path) => [path, statSync(path).mtimeMs]),
    before,
  );
  const { stdout } = ok(await sandbox.backup(sandbox.source, '-n', '-vv'));
  assert.match(stdout, /new {7}\/.*\/four, saved in .* stored\)/);
  assert.match(stdout, /Would add to the repository: /);
  assert.doesNotMatch(stdout, /snapshot .* saved/);
});

describe('--compression', () => {
  for (const mode of ['off', 'fastest', 'auto', 'better', 'max'])
    test(`${mode} stores what comes back`, async () => {
      const content = Buffer.from('all work and no play '.repeat(20_000));
      sandbox.write('text', content);
      const found = await summary(sandbox.source, '--compression', mode);
      const packed = Number(found.data_added_packed);
      if (mode === 'off') assert.ok(packed > content.length);
      else assert.ok(packed < content.length / 10);
      const entries = await sandbox.entries(await sandbox.latest(), sandbox.source);
      assert.ok((await sandbox.contentOf(entries.get('text'))).equals(content));
    });
});

test('--pack-size bounds packs, --read-concurrency sets the workers', async () => {
  for (let n = 0; n < 24; n++) sandbox.write(`random/${n}`, randomBytes(500_000));
  ok(await sandbox.backup(sandbox.source, '--pack-size', '4', '--read-concurrency', '3'));
  const sizes = sandbox
    .filesInRepository()
    .flatMap((path) => (path.includes('/data/') ? [statSync(path).size] : []));
  assert.ok(sizes.length >= 4, `${sizes}`);
  assert.ok(Math.max(...sizes) < 13 * 2 ** 20, `${sizes}`);
});

describe('what is printed', () => {
  test('is a summary', async () => {
    const { stdout, stderr } = ok(await sandbox.backup(sandbox.source));
    assert.match(stdout, /no parent snapshot found, will read all files/);
    assert.match(stdout, /^Files: {11}3 new, {5}0 changed, {5}0 unmodified$/m);
    assert.match(stdout, /^Added to the repository: /m);
    assert.match(stdout, /^processed 3 files, 11 B in /m);
    assert.match(stdout, /^snapshot [0-9a-f]{8} saved$/m);
    assert.equal(stderr, '');
  });

  test('is nothing with --quiet', async () => {
    const { stdout, stderr } = ok(await sandbox.backup(sandbox.source, '--quiet'));
    assert.equal(stdout + stderr, '');
  });

  test('is more with --verbose, and each item with --verbose twice', async () => {
    const once = ok(await sandbox.backup(sandbox.source, '-v', '--force')).stdout;
    assert.match(once, /Data Blobs: {6}3 new/);
    assert.doesNotMatch(once, /folder\/three/);
    const twice = ok(await sandbox.backup(sandbox.source, '-vv', '--exclude', 'two')).stdout;
    assert.match(twice, /^unchanged \/.*\/folder\/three$/m);
    assert.match(twice, /^unchanged \/.*\/folder\/$/m);
    assert.match(twice, /^modified {2}\/.*\/source\/, saved in [0-9.]+s \(.* metadata\)$/m);
    assert.match(twice, /^excluded {2}\/.*\/two$/m);
  });

  test('shows odd names so that a terminal stays as it is', async () => {
    sandbox.write('new\nline\x1b[31m', '');
    const { stdout } = ok(await sandbox.backup(sandbox.source, '-vv'));
    assert.match(stdout, /new\\nline\\x1b\[31m/);
  });

  test('tells with --json what each item cost', async () => {
    const content = randomBytes(50_000);
    sandbox.write('fresh', content);
    const { stdout } = ok(await sandbox.backup(sandbox.source, '--json', '-vv', '--exclude', 'two'));
    const lines = jsonLines(stdout);
    const of = (action: string, end: string): JsonObject => {
      const found = lines.find((line) => line.action === action && String(line.item).endsWith(end));
      assert.ok(found, `${action} ${end}`);
      return found;
    };
    const fresh = of('new', '/fresh');
    assert.equal(fresh.data_size, content.length);
    assert.ok(Number(fresh.data_size_in_repo) > content.length);
    assert.ok(Number(fresh.duration) > 0);
    const folder = of('new', '/folder/');
    assert.ok(Number(folder.metadata_size) > 100);
    assert.ok(Number(folder.metadata_size_in_repo) > 100);
    const [excluded] = lines.filter(({ message_type }) => message_type === 'excluded_item');
    assert.equal(excluded?.item, sandbox.path('source/two'));
    const whole = lines.at(-1)!;
    const items = lines.filter(({ item }) => item !== undefined && item !== '');
    const sum = (field: string): number => items.reduce((total, line) => total + Number(line[field] ?? 0), 0);
    const root = Number(whole.data_added) - sum('data_size') - sum('metadata_size');
    assert.ok(root > 100 && root < 1000, `${root} bytes are the tree of the root, the item of nobody`);
  });

  test('are status lines with --json, with totals once the scan has ended', async () => {
    for (let n = 0; n < 40; n++) sandbox.write(`random/${n}`, randomBytes(1_000_000));
    const { stdout } = ok(
      await sandbox.backupWith({ env: { LIFEBOAT_PROGRESS_FPS: '60' } }, '--json', sandbox.source),
    );
    const states = jsonLines(stdout).filter(({ message_type }) => message_type === 'status');
    assert.ok(
      states.some(({ total_files }) => total_files === 43),
      'the total is known',
    );
    const without = ok(
      await sandbox.backupWith(
        { env: { LIFEBOAT_PROGRESS_FPS: '60' } },
        '--json',
        '--no-scan',
        '--force',
        sandbox.source,
      ),
    ).stdout;
    assert.doesNotMatch(without, /total_files":\d+,"(?!.*summary)/);
    assert.ok(
      !jsonLines(without).some(({ message_type, total_bytes }) => message_type === 'status' && total_bytes),
    );
  });

  test('of errors goes to stderr, with --json as objects', async () => {
    const { status, stdout, stderr } = await sandbox.backup(
      '--json',
      sandbox.source,
      sandbox.path('missing'),
    );
    assert.equal(status, 3);
    assert.equal(jsonLines(stdout).at(-1)?.message_type, 'summary');
    assert.match(stderr, /missing does not exist, skipping/);
    const ended = jsonLines(stderr.slice(stderr.indexOf('{')))[0]!;
    assert.deepEqual([ended.message_type, ended.code], ['exit_error', 3]);
  });
});
