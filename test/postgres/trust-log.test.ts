import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, createCluster } from './cluster.ts';
import { missingServer } from './programs.ts';
import { endProcess, startIn, storedPieces } from './trust-site.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

async function clusterWithLog(): Promise<Cluster> {
  const cluster = await createCluster({
    initdb: ['--wal-segsize=1'],
    settings: { wal_keep_size: '1GB' },
  });
  await cluster.start();
  await cluster.sql('create table t as select generate_series(1, 50000) as n');
  await cluster.sql('select pg_switch_wal()');
  return cluster;
}

function oldestSegment(cluster: Cluster): string {
  const folder = join(cluster.data, 'pg_wal');
  const name = readdirSync(folder)
    .filter((each) => /^[0-9A-F]{24}$/.test(each))
    .sort()[0]!;
  return join(folder, name);
}

describe('the log of a server', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let other: Cluster;
  let workspace: Workspace;
  before(async () => {
    [cluster, other] = await Promise.all([clusterWithLog(), clusterWithLog()]);
    workspace = await createWorkspace({ cluster, journal: { 'max-lag': '1s' } });
  });
  after(async () => {
    workspace?.destroy();
    await Promise.all([cluster?.destroy(), other?.destroy()]);
  });

  const push = (path: string) => workspace.lifeboat(['wal', 'push', path]);

  test('is taken when archive_command hands it over, and again without harm', async () => {
    const segment = oldestSegment(cluster);
    const first = await push(segment);
    assert.equal(first.status, 0, first.stderr);
    const stored = storedPieces(workspace.repository);
    const again = await push(segment);
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stderr, /before|already/);
    assert.deepEqual(storedPieces(workspace.repository), stored);
  });

  test('is refused with other content under a name that was stored', async () => {
    const segment = oldestSegment(cluster);
    const name = segment.slice(segment.lastIndexOf('/') + 1);
    const changed = join(workspace.folder, name);
    const bytes = readFileSync(segment);
    bytes.writeUInt8(bytes.readUInt8(700_000) ^ 1, 700_000);
    writeFileSync(changed, bytes);
    const stored = storedPieces(workspace.repository);
    const { status, stderr } = await push(changed);
    assert.notEqual(status, 0);
    assert.match(stderr, /other bytes|other content|different content/i);
    assert.deepEqual(storedPieces(workspace.repository), stored);
  });

  test('of another cluster is refused by push', async () => {
    const stored = storedPieces(workspace.repository);
    const { status, stderr } = await push(oldestSegment(other));
    assert.notEqual(status, 0);
    assert.match(stderr, /another cluster|other cluster|system identifier/i);
    assert.deepEqual(storedPieces(workspace.repository), stored);
  });

  test('of another cluster is refused by receive', async () => {
    const stored = storedPieces(workspace.repository);
    const receiver = startIn(workspace, other, ['wal', 'receive']);
    try {
      for (let waited = 0; receiver.process.exitCode === null && waited < 15_000; waited += 50)
        await sleep(50);
      assert.match(receiver.output(), /another cluster|other cluster|system identifier/i);
    } finally {
      await endProcess(receiver.process, 'SIGKILL');
    }
    assert.deepEqual(storedPieces(workspace.repository), stored);
  });

  test('of another cluster does not make a backup of it, and the reason is said', async () => {
    workspace.configure({ journal: { 'max-lag': '1s', 'proof-timeout': '2s' } });
    const backup = await workspace.lifeboat(['backup', '--source', sourceName], { DATABASE_URL: other.url });
    assert.notEqual(backup.status, 0);
    assert.match(
      backup.stderr,
      /comes from the cluster with the system identifier \d+, but the journal of app-db is that of/,
    );
    const { stdout } = await workspace.lifeboat(['snapshots', '-r', 'local', '--json']);
    assert.deepEqual(JSON.parse(stdout), []);
  });

  test('cut short is refused', async () => {
    const segment = oldestSegment(cluster);
    const name = segment.slice(segment.lastIndexOf('/') + 1);
    const next = `${name.slice(0, 16)}${(Number.parseInt(name.slice(16), 16) + 1).toString(16).toUpperCase().padStart(8, '0')}`;
    const short = join(workspace.folder, next);
    copyFileSync(join(cluster.data, 'pg_wal', next), short);
    writeFileSync(short, readFileSync(short).subarray(0, 500_000));
    const stored = storedPieces(workspace.repository);
    const { status } = await push(short);
    assert.notEqual(status, 0);
    assert.deepEqual(storedPieces(workspace.repository), stored);
  });
});
