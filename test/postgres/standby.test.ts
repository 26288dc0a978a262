import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { startRestored, take } from './physical-site.ts';
import { asServerAccount, missingServer } from './programs.ts';
import { startIn } from './trust-site.ts';
import { createWorkspace, sourceName } from './workspace.ts';

/** The sum over accounts, tellers and branches of pgbench is the same in every consistent state. */
const balances = `select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)
  and (select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches)`;

async function createStandby(primary: Cluster): Promise<Cluster> {
  const data = join(primary.folder, `standby-${Math.random().toString(36).slice(2)}`);
  await primary.run('pg_basebackup', ['-D', data, '-c', 'fast', '-X', 'stream', '-R']);
  const standby = await createCluster({ data, settings: { hot_standby: 'on' } });
  await standby.start();
  return standby;
}

function startLoad(cluster: Cluster): ChildProcess {
  return spawn(join(cluster.bin, 'pgbench'), ['-n', '-c', '2', '-T', '600', '-R', '200', 'postgres'], {
    ...asServerAccount(),
    cwd: '/',
    env: { PATH: process.env.PATH, PGHOST: cluster.folder, PGPORT: String(cluster.port) },
    stdio: 'ignore',
  });
}

async function endLoad(load: ChildProcess): Promise<void> {
  if (load.exitCode !== null || load.signalCode !== null) return;
  load.kill('SIGINT');
  await once(load, 'close');
}

/** Readers are let in as soon as it is consistent, a moment before the log has ended. */
async function hasRecovered(server: Cluster): Promise<void> {
  const giveUp = Date.now() + 30_000;
  while ((await server.sql('select pg_is_in_recovery()')) === 't') {
    assert.ok(Date.now() < giveUp, server.log());
    await sleep(50);
  }
}

describe('a standby as the source', { skip: missingServer('debian') }, () => {
  let primary: Cluster;
  let standby: Cluster;
  let repository: Repository;
  let load: ChildProcess;
  before(async () => {
    primary = await createCluster({ initdb: ['--data-checksums'], settings: { wal_keep_size: '256MB' } });
    await primary.start();
    await primary.run('pgbench', ['-i', '-q', '-s', '1', 'postgres']);
    await primary.sql('create extension amcheck');
    standby = await createStandby(primary);
    repository = await createCheapRepository(localStorage(join(primary.folder, 'repository')));
    load = startLoad(primary);
  });
  after(async () => {
    if (load) await endLoad(load);
    await standby?.destroy();
    await primary?.destroy();
  });

  for (const way of ['local', 'remote'] as const)
    test(`${way}: what is restored starts and is consistent, while the primary writes`, async (t) => {
      const before = await standby.sql('select count(*) from pgbench_history');
      const taken = await take(repository, standby, way);
      assert.deepEqual(taken.warnings, []);
      assert.equal(taken.manifest.way, way);
      assert.equal(taken.manifest.fromStandby, true);
      const restored = await startRestored(repository, 'debian', taken);
      t.after(() => restored.destroy());
      await hasRecovered(restored);
      assert.equal(await restored.sql(balances), 't');
      assert.ok(Number(await restored.sql('select count(*) from pgbench_history')) >= Number(before));
      await restored.run('pg_amcheck', ['--all', '--heapallindexed']);
    });

  test('incremental: goes on from the backup before it, and is consistent', async (t) => {
    // Files changed within two seconds of the copy's begin are read again.
    await sleep(2100);
    const first = await take(repository, standby, 'local');
    await primary.sql('checkpoint');
    const next = await take(repository, standby, 'local', 'incremental');
    assert.equal(next.manifest.comparedWith, first.id, next.warnings.join('\n'));
    const restored = await startRestored(repository, 'debian', next);
    t.after(() => restored.destroy());
    await hasRecovered(restored);
    assert.equal(await restored.sql(balances), 't');
    await restored.run('pg_amcheck', ['--all', '--heapallindexed']);
  });

  for (const way of ['local', 'remote'] as const)
    test(`${way}: that is promoted meanwhile ends the backup without a snapshot`, async (t) => {
      const other = await createStandby(primary);
      t.after(() => other.destroy());
      const known = (await listSnapshots(repository)).snapshots.length;
      const begun = async (): Promise<void> => {
        await other.sql('select pg_promote()');
      };
      await assert.rejects(take(repository, other, way, 'full', { begun }), /promoted/);
      assert.equal((await listSnapshots(repository)).snapshots.length, known);
      const held = "select count(*) from pg_replication_slots where slot_name like 'lifeboat%'";
      assert.equal(await other.sql(held), '0');
    });

  test('its journal arrives as well, and takes the backup on', async (t) => {
    const workspace = await createWorkspace({
      cluster: standby,
      journal: { 'max-lag': '200ms', 'proof-timeout': '30s' },
    });
    t.after(() => workspace.destroy());
    const receiver = startIn(workspace, standby, ['wal', 'receive']);
    const ending = once(receiver.process, 'close');
    t.after(() => receiver.process.kill('SIGKILL'));
    const made = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(made.status, 0, made.stdout + made.stderr + receiver.output());
    assert.match(made.stdout, /^recoverable from here on: /m);
    receiver.process.kill('SIGTERM');
    await ending;
    const windows = await workspace.lifeboat(['windows', sourceName]);
    assert.equal(windows.status, 0, windows.stdout + windows.stderr);
  });
});
