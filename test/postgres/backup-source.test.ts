import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PhysicalManifest } from '../../src/model/postgres-manifest.ts';
import { ended, type JsonObject, linesOf } from '../programs.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { missingServer } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

const skip = missingServer('debian');

interface Summary {
  readonly snapshot_id: string;
  readonly files_new: number;
  readonly files_unmodified: number;
  readonly source: string;
  readonly repository: string;
  readonly manifest: PhysicalManifest;
}

function summaryIn(stdout: string): Summary {
  const line = linesOf(stdout).find((each) => each.includes('"message_type":"summary"'));
  assert.ok(line, stdout);
  return JSON.parse(line) as Summary;
}

describe('lifeboat backup --source of a database', { skip }, () => {
  let cluster: Cluster;
  let workspace: Workspace;

  before(async () => {
    cluster = await createCluster({ initdb: ['--data-checksums'] });
    await cluster.start();
    await cluster.sql('create table t as select generate_series(1, 20000) as n; checkpoint');
    workspace = await createWorkspace({ cluster, repositories: ['local', 'second'] });
  });
  after(async () => {
    workspace?.destroy();
    await cluster?.destroy();
  });

  async function backup(...args: string[]): Promise<Summary> {
    const ended = await workspace.lifeboat([
      'backup',
      '--source',
      sourceName,
      '--json',
      '-r',
      'local',
      ...args,
    ]);
    assert.equal(ended.status, 0, ended.stderr);
    return summaryIn(ended.stdout);
  }

  test('is full the first time, and each type goes on from what it should', async () => {
    const first = await backup();
    assert.deepEqual([first.manifest.type, first.manifest.comparedWith], ['full', null]);
    const second = await backup();
    assert.deepEqual(
      [second.manifest.type, second.manifest.comparedWith],
      ['incremental', first.snapshot_id],
    );
    assert.ok(second.files_unmodified > 500, JSON.stringify(second));
    const third = await backup('--type', 'differential');
    assert.deepEqual([third.manifest.type, third.manifest.comparedWith], ['differential', first.snapshot_id]);
    const fourth = await backup();
    assert.equal(fourth.manifest.comparedWith, third.snapshot_id);
    const full = await backup('--type', 'full');
    assert.deepEqual([full.manifest.type, full.manifest.comparedWith], ['full', null]);
    assert.equal((await backup('--type', 'differential')).manifest.comparedWith, full.snapshot_id);
  });

  test('says for people what it made and what comes next', async () => {
    const { status, stdout } = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(status, 0);
    assert.match(stdout, /^app-db to local$[\s\S]*^app-db to second$/m);
    assert.match(stdout, /^app-db: PostgreSQL 15\.\d+, physical, incremental, local, [\d.]+ MiB$/m);
    assert.match(stdout, /^recoverable at its end: \S+ \S+\+00 \(LSN 0\/\w+, timeline 1\)$/m);
    assert.match(stdout, /^Next: lifeboat restore app-db --dry-run$/m);
  });

  test('tells how much there is to do and how far it is', async () => {
    for (const [method, args] of [
      ['physical', ['--type', 'full']],
      ['logical', []],
      ['logical', []],
    ] as const) {
      workspace.configure({ method });
      const { stdout } = await workspace.lifeboat(
        ['backup', '--source', sourceName, '-r', 'local', '--json', ...args],
        { LIFEBOAT_PROGRESS_FPS: '60' },
      );
      const states = linesOf(stdout)
        .map((line) => JSON.parse(line) as JsonObject)
        .filter(({ message_type, total_bytes }) => message_type === 'status' && Number(total_bytes) > 0);
      const done = states.map(({ percent_done }) => Number(percent_done));
      // Of a first dump nobody knows how large it will be.
      if (method === 'physical') assert.ok(done.length > 0, stdout);
      assert.ok(
        done.every((percent) => percent >= 0 && percent <= 1),
        done.join(' '),
      );
    }
    workspace.configure({});
  });

  test('tells with --dry-run what it would go on from', async () => {
    const { stdout } = await workspace.lifeboat(['backup', '--all', '--dry-run', '-r', 'local']);
    assert.match(
      stdout,
      /^would back up app-db to local: physical, incremental, going on from snapshot [0-9a-f]{8}$/m,
    );
  });

  test('to a repository that is gone fails for that one only', async () => {
    rmSync(workspace.repositoryNamed('second'), { recursive: true });
    const { status, stdout, stderr } = await workspace.lifeboat(['backup', '--source', sourceName, '--json']);
    assert.equal(status, 1);
    assert.equal(summaryIn(stdout).repository, 'local');
    const errors = linesOf(stderr).map((line) => JSON.parse(line) as JsonObject);
    assert.deepEqual(
      errors.map(({ error }) => error),
      ['repository-missing', 'sources-failed'],
    );
  });

  test('runs hooks before and after, and no backup where the first fails', async () => {
    const log = join(workspace.folder, 'hooks');
    const hooks = (before: string) => ({
      hooks: {
        'before-backup': [{ command: before }],
        'after-backup': [{ command: `echo "$LIFEBOAT_HOOK $LIFEBOAT_SOURCE $LIFEBOAT_STATUS" >> ${log}` }],
      },
    });
    workspace.configure(hooks(`echo "$LIFEBOAT_HOOK $LIFEBOAT_SOURCE" >> ${log}`));
    await backup();
    workspace.configure(hooks('exit 7'));
    const refused = await workspace.lifeboat(['backup', '--source', sourceName, '-r', 'local']);
    workspace.configure({});
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^Fatal: hook 1 before a backup \(command exit\) failed/);
    assert.doesNotMatch(refused.stdout, /saved/);
    assert.equal(
      readFileSync(log, 'utf8'),
      'before-backup app-db\nafter-backup app-db done\nafter-backup app-db failed\n',
    );
  });

  test('with a damaged page is stored, recorded and reported by an exit status of its own', async () => {
    const file = await cluster.sql("select pg_relation_filepath('t')");
    await cluster.sql('checkpoint');
    const handle = openSync(join(cluster.data, file), 'r+');
    writeSync(handle, Buffer.from('damage'), 0, 6, 8192 + 4000);
    closeSync(handle);
    const args = ['backup', '--source', sourceName, '-r', 'local', '--type', 'full'];
    const ended = await workspace.lifeboat([...args, '--json']);
    assert.equal(ended.status, 3, ended.stderr);
    const { manifest } = summaryIn(ended.stdout);
    assert.equal(manifest.damagedPageCount, 1);
    assert.equal(manifest.damagedPages[0]?.block, 1);
    assert.equal((JSON.parse(linesOf(ended.stderr).at(-1)!) as JsonObject).error, 'pages-damaged');
    const forPeople = await workspace.lifeboat(args);
    assert.equal(forPeople.status, 3);
    assert.match(forPeople.stderr, /^damaged page: block 1 of app-db\/data\/base\/\d+\/\d+$/m);
    assert.match(forPeople.stderr, /^Warning: 1 page of app-db has a wrong checksum/m);
  });

  test('never shows or passes on the password', async () => {
    await cluster.sql("create role planted superuser login password 'planted-secret'");
    const seen = join(workspace.folder, 'processes');
    mkdirSync(seen);
    // Looks at every process's arguments again and again while the backup runs.
    const look = 'i=0; while [ $i -lt 60 ]; do cat /proc/[0-9]*/cmdline; i=$((i+1)); sleep 0.02; done';
    const script = `(${look}) >> ${seen}/list 2>/dev/null &`;
    workspace.configure({ method: 'logical', hooks: { 'before-backup': [{ command: script }] } });
    const url = cluster.urlOf({ user: 'planted', password: 'planted-secret', host: '127.0.0.1' });
    for (const args of [[], ['--json'], ['-vv']]) {
      const { status, stdout, stderr } = await workspace.lifeboat(
        ['backup', '--source', sourceName, '-r', 'local', ...args],
        { DATABASE_URL: url, LIFEBOAT_DEBUG: '1' },
      );
      assert.equal(status, 0, stderr);
      assert.doesNotMatch(stdout + stderr + readFileSync(join(seen, 'list'), 'latin1'), /planted-secret/);
    }
    assert.match(readFileSync(join(seen, 'list'), 'latin1'), /pg_dump/);
    const refused = await workspace.lifeboat(['backup', '--source', sourceName, '-r', 'local'], {
      DATABASE_URL: url.replace(/:\d+\//, ':1/'),
      LIFEBOAT_DEBUG: '1',
    });
    assert.equal(refused.status, 1);
    assert.doesNotMatch(refused.stdout + refused.stderr, /planted-secret/);
    workspace.configure({});
  });

  test('whose reference leads nowhere is an error that names it', async () => {
    writeFileSync(join(workspace.folder, 'empty'), '', { mode: 0o600 });
    workspace.configure({ url: 'file:empty' });
    const { status, stderr } = await workspace.lifeboat(['backup', '--source', sourceName, '-r', 'local']);
    workspace.configure({});
    assert.equal(status, 1);
    assert.match(stderr, /^Fatal: the secret file:\S+\/empty is empty\n/);
  });
});

describe('lifeboat backup --source of a database with a journal', { skip }, () => {
  test('fails with the reason until the log is proven to arrive, and then succeeds', async (t) => {
    const cluster = await createCluster({ initdb: ['--wal-segsize=1'] });
    t.after(() => cluster.destroy());
    await cluster.start();
    const journal = { 'max-lag': '200ms', 'proof-timeout': '3s' };
    const workspace = await createWorkspace({ cluster, journal });
    t.after(() => workspace.destroy());
    const args = ['backup', '--source', sourceName];

    const refused = await workspace.lifeboat(args);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(
      refused.stderr,
      /^Fatal: the log of app-db up to .* did not arrive in local within \d\.?\d? s: .*no receiver/,
    );
    assert.equal((await workspace.lifeboat(['snapshots', '--json'])).stdout, '[]\n');

    const receiver = workspace.start(['wal', 'receive']);
    const ending = ended(receiver);
    t.after(() => receiver.kill('SIGKILL'));
    workspace.configure({ journal: { ...journal, 'proof-timeout': '30s' } });
    const made = await workspace.lifeboat(args);
    receiver.kill('SIGTERM');
    await ending;
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /^recoverable from here on: /m);
    assert.match(made.stdout, /^Next: lifeboat windows app-db, or lifeboat restore app-db --dry-run$/m);
  });
});
