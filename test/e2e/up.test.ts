import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runForTest } from '../../src/cli/testing.ts';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { treeDifferences } from '../compare-trees.ts';
import { makeOddFiles } from '../interop/odd-files.ts';
import { run, systemRestic } from '../programs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'lifeboat-up-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const source = join(scratch, 'source');
mkdirSync(source);
await makeOddFiles(bytesOfText(join(source, 'odd')));
writeFileSync(join(source, 'ledger.txt'), 'paid 12.50\n'.repeat(1000));

const home = join(scratch, 'home');
const env = { HOME: home, PATH: process.env.PATH ?? '' };
const config = join(home, '.config/lifeboat');
const repository = join(home, '.local/share/lifeboat/repository');
const permissions = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const leftovers = (): string[] => globSync(join(tmpdir(), 'lifeboat-proof-*'));

interface Summary {
  readonly [key: string]: unknown;
  readonly recovery_kit: string;
  readonly password_file: string;
}

describe('up --once', () => {
  const before = leftovers();
  let first: Summary;

  test('creates a repository, backs up, proves it, and says so in one JSON object', async () => {
    const { status, stdout, stderr } = await runForTest(['up', '--once', '--json', source], { env });
    assert.equal(status, 0, stderr);
    first = JSON.parse(stdout) as Summary;
    assert.equal(first.message_type, 'summary');
    assert.equal(first.proven, true);
    assert.equal(first.complete, true);
    assert.equal(first.repository, repository);
    assert.equal(first.repository_created, true);
    assert.equal(first.files_compared, first.total_files_processed);
    assert.deepEqual([first.failures, first.source_differences, first.changed_since], [[], [], []]);
    assert.deepEqual(leftovers(), before);
  });

  test('keeps the password it made up and the recovery kit private', () => {
    const [keyFile = ''] = readdirSync(join(config, 'keys'));
    assert.equal(first.password_file, join(config, 'keys', keyFile));
    assert.equal(permissions(first.password_file), '600');
    assert.equal(permissions(first.recovery_kit), '600');
    assert.equal(permissions(config), '700');
    const password = readFileSync(first.password_file, 'utf8').trim();
    assert.match(password, /^[a-z2-9]{5}(-[a-z2-9]{5}){7}$/);
    const kit = readFileSync(first.recovery_kit, 'utf8');
    for (const needed of [
      password,
      repository,
      String(first.repository_id),
      'restic restore',
      'Print this page',
    ])
      assert.ok(kit.includes(needed), needed);
  });

  test('leaves a repository that stock restic restores bit by bit', async () => {
    const target = join(scratch, 'by restic');
    const password = readFileSync(first.password_file, 'utf8').trim();
    const { status, stderr } = await run(systemRestic, ['restore', 'latest', '--target', target], {
      repository,
      password,
    });
    assert.equal(status, 0, stderr);
    assert.deepEqual(treeDifferences(source, join(target, source), { withoutXattrs: true }), []);
  });

  test('finds its own password again, and says in plain words what it did', async () => {
    const { status, stdout, stderr } = await runForTest(['up', '--once', source], { env });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^using repository [0-9a-f]{8} at /m);
    assert.match(stdout, /^Stored: {3}\d+ files, .* as snapshot [0-9a-f]{8} in /m);
    assert.match(stdout, /^Proven: {3}all of it was restored into a scratch folder/m);
    assert.match(stdout, /^Recovery: bringing everything back took \d+\.\d s/m);
    assert.match(stdout, /^Next: {5}lifeboat restore latest --repo \S+ --password-file \S+ --target/m);
  });

  test('never writes a password that was given to it', async () => {
    const secret = 'correct horse battery';
    const given = { ...env, HOME: join(scratch, 'other home'), LIFEBOAT_PASSWORD: secret };
    const { status, stdout, stderr } = await runForTest(['up', '--once', '--json', source], { env: given });
    assert.equal(status, 0, stderr);
    const { recovery_kit: kit, password_file: file } = JSON.parse(stdout) as Summary;
    assert.equal(file, undefined);
    assert.match(readFileSync(kit, 'utf8'), /environment variable LIFEBOAT_PASSWORD/);
    assert.equal(existsSync(join(given.HOME, '.config/lifeboat/keys')), false);
    for (const text of [readFileSync(kit, 'utf8'), stdout, stderr]) assert.ok(!text.includes(secret));
  });

  test('refuses paths that do not exist, and to run without --once', async () => {
    const missing = await runForTest(['up', '--once', source, join(scratch, 'missing')], { env });
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /nothing was backed up/);
    const scheduled = await runForTest(['up', source], { env });
    assert.equal(scheduled.status, 1);
    assert.match(scheduled.stderr, /only works with --once[\s\S]*later version/);
  });

  test('says before it restores when there is no room for the proof', async () => {
    const { status, stderr } = await runForTest(['up', '--once', '--scratch', '/proc', source], { env });
    assert.equal(status, 1);
    assert.match(stderr, /the test restore needs \d+ MiB of free space: \/proc/);
  });

  test('ends with 3 where something could not be read', {
    skip: process.geteuid?.() === 0 && 'needs an ordinary user',
  }, async () => {
    const unreadable = join(source, 'unreadable');
    writeFileSync(unreadable, '', { mode: 0 });
    try {
      const { status, stdout } = await runForTest(['up', '--once', source], { env });
      assert.equal(status, 3);
      assert.match(stdout, /INCOMPLETE: 1 item/);
    } finally {
      chmodSync(unreadable, 0o600);
      rmSync(unreadable);
    }
  });
});
