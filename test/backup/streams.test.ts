import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runForTest } from '../../src/cli/testing.ts';
import { encodeNode } from '../../src/model/tree.ts';
import { run, systemRestic } from '../programs.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await createSandbox('streams');
});
after(() => sandbox.remove());

const onlyFile = async (path = 'stdin') =>
  sandbox.contentOf((await sandbox.entries(await sandbox.latest())).get(path));

async function assertNoSnapshot(work: () => Promise<void>): Promise<void> {
  const before = await sandbox.snapshots();
  await work();
  assert.deepEqual(await sandbox.snapshots(), before, 'no snapshot was made');
  assert.deepEqual(
    sandbox.filesInRepository().filter((path) => path.includes('/locks/')),
    [],
    'no lock is left',
  );
}

describe('standard input', () => {
  test('becomes the file stdin', async () => {
    const { status, stderr } = await sandbox.backupWith({ stdin: 'what was said' }, '--stdin');
    assert.equal(status, 0, stderr);
    assert.equal(String(await onlyFile()), 'what was said');
    assert.deepEqual((await sandbox.latest()).paths, ['/stdin']);
  });

  test('that is empty becomes an empty file', async () => {
    const { status, stderr } = await sandbox.backupWith({ stdin: '' }, '--stdin');
    assert.equal(status, 0, stderr);
    assert.equal((await onlyFile()).length, 0);
  });

  test('gets the name that is asked for, in folders', async () => {
    const { status, stderr } = await sandbox.backupWith(
      { stdin: 'x' },
      '--stdin',
      '--stdin-filename',
      '/dumps/2026/app.sql',
    );
    assert.equal(status, 0, stderr);
    const latest = await sandbox.latest();
    assert.deepEqual(
      [...(await sandbox.entries(latest)).keys()],
      ['dumps', 'dumps/2026', 'dumps/2026/app.sql'],
    );
    assert.deepEqual(latest.paths, ['/dumps/2026/app.sql']);
  });

  test("makes the nodes that restic's makes, but for the time that older ones take", async () => {
    const args = ['--stdin', '--stdin-filename', 'a/b', '--time', '2026-01-02 03:04:05'];
    const repository = sandbox.repository;
    const theirs = await run(systemRestic, ['backup', ...args, '--host', 'theirs'], {
      repository,
      input: 'x',
    });
    assert.equal(theirs.status, 0, theirs.stderr);
    const ours = await sandbox.backupWith({ stdin: 'x' }, ...args, '--host', 'ours');
    assert.equal(ours.status, 0, ours.stderr);
    const of = async (host: string): Promise<string[]> => {
      const snapshot = (await sandbox.snapshots()).find(({ hostname }) => hostname === host)!;
      assert.match(snapshot.time, /^2026-01-02T03:04:05/);
      const entries = [...(await sandbox.entries(snapshot)).values()];
      return entries.map(encodeNode).map((node) => node.replace(/"(subtree|[mac]time)":"[^"]*"/g, ''));
    };
    assert.deepEqual(await of('ours'), await of('theirs'));
  });

  for (const name of ['', '/', 'a/../b', '..', 'a/.'])
    test(`is refused the name ${JSON.stringify(name)}`, () =>
      assertNoSnapshot(async () => {
        const { status } = await sandbox.backupWith({ stdin: 'x' }, '--stdin', '--stdin-filename', name);
        assert.equal(status, 1);
      }));

  test('cannot give the password as well', () =>
    assertNoSnapshot(async () => {
      const args = ['backup', '--repo', sandbox.repository, '--stdin'];
      const { status, stderr } = await runForTest(args, { stdin: 'test\nx' });
      assert.equal(status, 1);
      assert.match(stderr, /standard input cannot give both/);
    }));

  for (const args of [
    ['--stdin', 'file'],
    ['--stdin', '--files-from', 'list'],
    ['--stdin', '--stdin-from-command', 'true'],
    ['--stdin-from-command'],
    [],
  ])
    test(`is refused as backup ${args.join(' ')}`, () =>
      assertNoSnapshot(async () => {
        assert.equal((await sandbox.backup(...args)).status, 1);
      }));
});

describe('the output of a command', () => {
  const fromCommand = (...command: string[]) =>
    sandbox.backup('--stdin-filename', 'out', '--stdin-from-command', '--', ...command);

  test('becomes a file', async () => {
    const { status, stderr } = await fromCommand('sh', '-c', 'printf "%s" "two words"');
    assert.equal(status, 0, stderr);
    assert.equal(String(await onlyFile('out')), 'two words');
  });

  test('of many megabytes is stored whole', async () => {
    const script = 'head -c 20000000 /dev/zero; printf end';
    const { status, stderr } = await fromCommand('sh', '-c', script);
    assert.equal(status, 0, stderr);
    const wanted = createHash('sha256').update(Buffer.alloc(20_000_000)).update('end').digest('hex');
    assert.equal(
      createHash('sha256')
        .update(await onlyFile('out'))
        .digest('hex'),
      wanted,
    );
  });

  test('that fails makes no snapshot and ends with 1', () =>
    assertNoSnapshot(async () => {
      const { status, stderr } = await fromCommand('sh', '-c', 'echo much; exit 3');
      assert.equal(status, 1);
      assert.match(stderr, /sh ended with exit status 3/);
    }));

  test('that is killed makes no snapshot', () =>
    assertNoSnapshot(async () => {
      const { status, stderr } = await fromCommand('sh', '-c', 'echo much; kill -9 $$');
      assert.equal(status, 1);
      assert.match(stderr, /sh was ended by SIGKILL/);
    }));

  test('that does not exist makes no snapshot and is named', () =>
    assertNoSnapshot(async () => {
      for (const command of ['no-such-command-anywhere', '/', '']) {
        const { status, stderr } = await fromCommand(command, 'secret-argument');
        assert.equal(status, 1, stderr);
        assert.match(stderr, /cannot run/);
        assert.doesNotMatch(stderr, /secret-argument/);
      }
    }));

  test('is not even run where the repository cannot be opened', async () => {
    const marker = sandbox.path('was-run');
    const { status } = await sandbox.backupWith(
      { env: { LIFEBOAT_PASSWORD: 'wrong' } },
      '--stdin-from-command',
      '--',
      'touch',
      marker,
    );
    assert.equal(status, 12);
    assert.equal(existsSync(marker), false);
  });

  test('is ended with the backup', () =>
    assertNoSnapshot(async () => {
      const abort = new AbortController();
      const start = performance.now();
      const running = sandbox.backupWith(
        { signal: abort.signal },
        '--stdin-from-command',
        '--',
        'sh',
        '-c',
        'echo some; exec sleep 60',
      );
      await sleep(800);
      abort.abort();
      assert.equal((await running).status, 130);
      assert.ok(performance.now() - start < 10_000);
    }));
});

test('a stream is cut as a file of the same content', async () => {
  const content = randomBytes(6_000_000);
  const file = sandbox.write('six-megabytes', content);
  assert.equal((await sandbox.backup(file)).status, 0);
  const ofFile = (await sandbox.entries(await sandbox.latest(), sandbox.source)).get('six-megabytes');
  const { status } = await sandbox.backup('--stdin-from-command', '--', 'cat', file);
  assert.equal(status, 0);
  const ofStream = (await sandbox.entries(await sandbox.latest())).get('stdin');
  assert.ok(ofFile!.content!.length > 1);
  assert.deepEqual(ofStream!.content, ofFile!.content);
  assert.equal((await sandbox.latest()).summary?.data_blobs, 0, 'nothing of it was new');
});
