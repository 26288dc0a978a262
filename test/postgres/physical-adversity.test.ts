import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../src/core/errors.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { openSqlSession } from '../../src/sources/postgres/connection/session.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { ended, run, systemRestic } from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { ownFolder, startRestored, take } from './physical-site.ts';
import { asServerAccount, missingServer } from './programs.ts';
import { createWorkspace, sourceName } from './workspace.ts';

/** What happens to servers and programs while a physical backup is being made. */

const skip = missingServer('debian');
const ways = ['local', 'remote'] as const;

const failsWith =
  (code: string, message: RegExp, hint = /^/) =>
  (error: unknown): true => {
    assert.ok(error instanceof LifeboatError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
    return true;
  };

async function newRepository(cluster: Cluster, name = 'repository'): Promise<Repository> {
  return createCheapRepository(localStorage(join(cluster.folder, name)));
}

async function countOf(repository: Repository): Promise<number> {
  return (await listSnapshots(repository)).snapshots.length;
}

/** No session of a backup, and so no backup mode, and no slot. */
async function leavesNothing(cluster: Cluster): Promise<void> {
  const left = `select (select count(*) from pg_stat_activity where application_name like 'lifeboat backup%')
    + (select count(*) from pg_replication_slots where slot_name like 'lifeboat%')`;
  const giveUp = Date.now() + 10_000;
  while ((await cluster.sql(left)) !== '0') {
    assert.ok(Date.now() < giveUp, 'the server still holds something of the backup');
    await sleep(20);
  }
}

function startLoad(cluster: Cluster): ChildProcess {
  return spawn(join(cluster.bin, 'pgbench'), ['-n', '-c', '2', '-T', '600', '-R', '300', 'postgres'], {
    ...asServerAccount(),
    cwd: '/',
    env: { PATH: process.env.PATH, PGHOST: cluster.folder, PGPORT: String(cluster.port) },
    stdio: 'ignore',
  });
}

describe('a physical backup that is interrupted', { skip }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await createCluster({ initdb: ['--wal-segsize=1'] });
    await cluster.start();
    await cluster.run('pgbench', ['-i', '-q', '-s', '4', 'postgres']);
  });
  after(() => cluster?.destroy());

  for (const way of ways) {
    test(`${way}: by a crash of the server ends without a snapshot`, async () => {
      const repository = await newRepository(cluster, `crash-${way}`);
      const begun = (): Promise<void> => cluster.stop('immediate');
      await assert.rejects(
        take(repository, cluster, way, 'full', { begun }),
        failsWith('database-connection-lost', /lost|terminat|closed|shut/),
      );
      await cluster.start();
      assert.equal(await countOf(repository), 0);
      await leavesNothing(cluster);
      await take(repository, cluster, way);
    });

    test(`${way}: by the end of its session ends at once, without a snapshot`, async () => {
      const repository = await newRepository(cluster, `end-${way}`);
      const begun = async (): Promise<void> => {
        await cluster.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'lifeboat backup%'`,
        );
        await sleep(100);
      };
      await assert.rejects(
        take(repository, cluster, way, 'full', { begun }),
        failsWith('database-connection-lost', /lost|terminat|closed/),
      );
      assert.equal(await countOf(repository), 0);
      await leavesNothing(cluster);
    });
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
    test(`by ${signal} leaves neither backup mode nor a slot, and a sound repository`, async (t) => {
      const workspace = await createWorkspace({ cluster });
      t.after(() => workspace.destroy());
      const watcher = await openSqlSession(
        await connectionSettings(cluster.url, { password: null, env: {} }),
      );
      t.after(() => watcher.close());
      const child = workspace.start(['backup', '--source', sourceName]);
      const ending = ended(child);
      const slots = `select 1 from pg_replication_slots where slot_name like 'lifeboat_backup%'`;
      while ((await watcher.query(slots)).length === 0) {
        assert.equal(child.exitCode, null, 'the backup ended before it was seen');
        await sleep(2);
      }
      child.kill(signal);
      const { status, stdout, stderr } = await ending;
      assert.equal(status, signal === 'SIGKILL' ? -1 : 130, stdout + stderr);
      await leavesNothing(cluster);
      const repository = { repository: workspace.repository };
      assert.equal((await workspace.lifeboat(['snapshots', '--json'])).stdout, '[]\n');
      // Of a killed program the lock stays until it is stale or removed.
      if (signal === 'SIGKILL') await run(systemRestic, ['unlock', '--remove-all'], repository);
      const checked = await run(systemRestic, ['check', '--read-data'], repository);
      assert.equal(checked.status, 0, checked.stdout + checked.stderr);
      const again = await workspace.lifeboat(['backup', '--source', sourceName]);
      assert.equal(again.status, 0, again.stderr);
    });
});

describe('a physical backup beside which everything changes', { skip }, () => {
  let cluster: Cluster;
  let repository: Repository;
  let load: ChildProcess;
  before(async () => {
    cluster = await createCluster({ initdb: ['--data-checksums'], settings: { checkpoint_timeout: '30s' } });
    await cluster.start();
    await cluster.run('pgbench', ['-i', '-q', '-s', '1', 'postgres']);
    await cluster.sql('create extension amcheck');
    repository = await newRepository(cluster);
    load = startLoad(cluster);
  });
  after(async () => {
    if (load) {
      load.kill('SIGINT');
      if (load.exitCode === null && load.signalCode === null) await once(load, 'close');
    }
    await cluster?.destroy();
  });

  const balances = `select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)
    and (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history)`;

  for (const way of ways)
    test(`${way}: is consistent when it is restored`, async (t) => {
      const gone = ownFolder(join(cluster.folder, `gone-${way}`));
      const kept = ownFolder(join(cluster.folder, `kept-${way}`));
      await cluster.sql(`create tablespace gone location '${gone}'`);
      await cluster.sql(`create tablespace kept_${way} location '${kept}'`);
      await cluster.sql('create database before_gone tablespace gone');
      for (const name of ['dropped', 'truncated', 'rewritten', 'moved'])
        await cluster.sql(
          `create table ${name} as select n, md5(n::text) from generate_series(1, 5000) as n`,
        );
      const statements = [
        'drop table dropped',
        'truncate truncated',
        'insert into truncated select n from generate_series(1, 100) as n',
        'delete from rewritten where n % 2 = 0',
        'vacuum full rewritten',
        'checkpoint',
        'drop database before_gone',
        'drop tablespace gone',
        `create database during_${way}`,
        `alter table moved set tablespace kept_${way}`,
        `create table created_${way} as select n from generate_series(1, 5000) as n; create index on created_${way} (n)`,
        'vacuum full pg_class',
        'checkpoint',
      ];
      const beside = async (): Promise<void> => {
        for (const statement of statements) await cluster.sql(statement);
      };
      const taken = await take(repository, cluster, way, 'full', { beside });
      await cluster.sql('drop table truncated, rewritten, moved');
      const restored = await startRestored(repository, 'debian', taken);
      t.after(() => restored.destroy());
      assert.equal(await restored.sql(balances), 't');
      assert.equal(
        await restored.sql(
          `select (select count(*) from truncated), (select count(*) from rewritten), (select count(*) from moved), (select count(*) from created_${way})`,
        ),
        '100|2500|5000|5000',
      );
      const databases = 'select datname from pg_database where not datistemplate order by 1';
      assert.equal(await restored.sql(databases), `during_${way}\npostgres`);
      assert.equal(await restored.sql('select 1', `during_${way}`), '1');
      await restored.run('pg_amcheck', ['--database', 'postgres', '--heapallindexed']);
      await cluster.sql(`drop database during_${way}`);
    });
});

describe('a physical backup whose log nothing holds back', { skip }, () => {
  let cluster: Cluster;
  let repository: Repository;
  before(async () => {
    cluster = await createCluster({
      initdb: ['--wal-segsize=1'],
      settings: { max_replication_slots: 0, max_wal_size: '64MB', min_wal_size: '2MB', wal_keep_size: 0 },
    });
    await cluster.start();
    await cluster.sql('create table t (text text)');
    repository = await newRepository(cluster);
  });
  after(() => cluster?.destroy());

  for (const way of ways) {
    test(`${way}: says so, and succeeds where the log is still there`, async (t) => {
      const taken = await take(repository, cluster, way);
      assert.equal(taken.warnings.length, 1);
      assert.match(taken.warnings[0]!, /cannot be held back.*replication slots/);
      const restored = await startRestored(repository, 'debian', taken);
      t.after(() => restored.destroy());
    });

    test(`${way}: is an error that says what to do where the server has removed it`, async () => {
      const known = await countOf(repository);
      const write = `insert into t select repeat(md5(n::text), 100) from generate_series(1, 2000) as n;
        select pg_switch_wal(); checkpoint;`;
      const begun = async (): Promise<void> => {
        for (let round = 0; round < 3; round++) await cluster.sql(write);
      };
      await assert.rejects(
        take(repository, cluster, way, 'full', { begun }),
        failsWith(way === 'local' ? 'source-unreadable' : 'wal-removed', /removed/, /./),
      );
      assert.equal(await countOf(repository), known);
    });
  }
});

describe('a physical backup that the server does not allow', { skip }, () => {
  test('for want of log: wal_level is minimal', async (t) => {
    const cluster = await createCluster({ settings: { wal_level: 'minimal', max_wal_senders: 0 } });
    t.after(() => cluster.destroy());
    await cluster.start();
    const repository = await newRepository(cluster);
    for (const way of ways)
      await assert.rejects(
        take(repository, cluster, way),
        failsWith('database-settings', /wal_level = minimal/, /wal_level = replica and restart/),
      );
  });

  test('for want of rights: the hint has them, and with them it succeeds', async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql('create role keeper login');
    const repository = await newRepository(cluster);
    const url = cluster.urlOf({ user: 'keeper' });
    const options = { url, dataDirectory: cluster.data };
    let hint = '';
    await assert.rejects(take(repository, cluster, 'local', 'full', options), (error: unknown) => {
      assert.ok(error instanceof LifeboatError);
      assert.equal(error.code, 'database-permission', error.message);
      assert.match(error.message, /the role keeper may not call pg_backup_start and pg_backup_stop/);
      hint = error.hint ?? '';
      return true;
    });
    await assert.rejects(
      take(repository, cluster, 'remote', 'full', { url }),
      failsWith('database-permission', /./, /ALTER ROLE "keeper" REPLICATION/),
    );
    await cluster.sql(hint.replace(/^[^:]*: /, ''));
    for (const way of ways) {
      const taken = await take(repository, cluster, way, 'full', options);
      assert.deepEqual(taken.warnings, []);
    }
  });
});

describe('a damaged page', { skip }, () => {
  test('of a file that did not change is reported by every backup', async (t) => {
    const cluster = await createCluster({ initdb: ['--data-checksums'] });
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql('create table t as select n from generate_series(1, 10000) as n');
    const path = await cluster.sql(`select pg_relation_filepath('t')`);
    await cluster.stop();
    const file = openSync(join(cluster.data, path), 'r+');
    writeSync(file, Buffer.from('damage'), 0, 6, 3 * 8192 + 4000);
    closeSync(file);
    await cluster.start();
    await sleep(2100);
    const repository = await newRepository(cluster);
    for (const type of ['full', 'incremental', 'incremental'] as const) {
      const { manifest } = await take(repository, cluster, 'local', type);
      assert.equal(manifest.type, type);
      assert.deepEqual(manifest.damagedPages, [{ path: `app-db/data/${path}`, block: 3 }]);
    }
  });
});
