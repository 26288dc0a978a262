import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LifeboatError, messageOf } from '../../src/core/errors.ts';
import { openSqlSession, type SqlSession } from '../../src/sources/postgres/connection/session.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { createLogicalSandbox, type LogicalSandbox } from './logical-sandbox.ts';
import { missingServer } from './programs.ts';

const fails =
  (pattern: RegExp, hint = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof LifeboatError, String(error));
    assert.equal(error.code, 'database-restore-failed', error.message);
    assert.match(error.message, pattern);
    assert.match(error.hint, hint);
    return true;
  };

/** A client that connects again whenever it is cut off. @returns how many writes the server acknowledged. */
async function writeUntilReplaced(url: string): Promise<number> {
  const settings = await connectionSettings(url, { password: null, env: {} });
  for (let acknowledged = 0; ; ) {
    let session: SqlSession | null = null;
    try {
      session = await openSqlSession(settings);
      for (;;) {
        await session.query('insert into public.written values (1)');
        acknowledged++;
      }
    } catch (error) {
      if (/relation .* does not exist/.test(messageOf(error))) return acknowledged;
    } finally {
      await session?.close();
    }
  }
}

describe('what stands in the way of a logical restore', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let sandbox: LogicalSandbox;
  let url: string;

  before(async () => {
    sandbox = await createLogicalSandbox();
    cluster = await createCluster({ settings: { wal_level: 'logical', max_prepared_transactions: 4 } });
    await cluster.start();
    await cluster.sql('create role keeper login createdb');
    await cluster.sql('create database shop owner keeper');
    await cluster.sql('set role keeper; create table t as select 1 as n', 'shop');
    url = cluster.urlOf({ database: 'shop', user: 'keeper' });
    await sandbox.dump(url);
    await cluster.sql('update t set n = 2', 'shop');
  });
  after(async () => {
    await cluster?.destroy();
    sandbox?.remove();
  });

  const databases = (): Promise<string> =>
    cluster.sql(
      `select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate and datallowconn`,
    );

  test('a session that the role may not end leaves the database as it is, open to everybody', async () => {
    const busy = cluster.sql('select pg_sleep(30)', 'shop');
    busy.catch(() => undefined);
    await cluster.sql(
      `do $$ begin while not exists (select from pg_stat_activity where query like '%pg_sleep(30)%' and datname = 'shop')
       loop perform pg_sleep(0.02), pg_stat_clear_snapshot(); end loop; end $$`,
    );
    await assert.rejects(sandbox.restore(url), fails(/superuser.*the old data is still there/));
    assert.equal(await databases(), 'postgres shop');
    assert.equal(await cluster.sql('select n from t', 'shop'), '2');
    await cluster.sql(`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'shop'`);
    await busy.catch(() => undefined);
  });

  test('prepared transactions are named before anything is done', async () => {
    await cluster.sql(`begin; insert into t values (3); prepare transaction 'half'`, 'shop');
    await assert.rejects(
      sandbox.plan(url),
      fails(/prepared transactions \(half\)/, /COMMIT PREPARED 'half'/),
    );
    await cluster.sql(`rollback prepared 'half'`, 'shop');
  });

  test('a database that lets nobody in is replaced, and backed up, all the same', async () => {
    await cluster.sql('alter database shop allow_connections false');
    const tables = [{ schema: 'public', table: 't' }];
    await assert.rejects(
      sandbox.plan(url, { tables, drop: true }),
      fails(/takes no connections/, /ALLOW_CONNECTIONS true/),
    );
    const first = (await sandbox.snapshots())[0]!;
    const { safety } = await sandbox.restore(url, { safetyBackup: true }, first);
    assert.equal(await cluster.sql('select n from t', 'shop'), '1');
    await sandbox.restore(url, {}, safety[0]);
    assert.equal(await cluster.sql('select n from t', 'shop'), '2');
  });

  test('what is written until the very cut is in the safety backup, and nothing after it is lost', async () => {
    const first = (await sandbox.snapshots())[0]!;
    await cluster.sql('set role keeper; create table written (n int)', 'shop');
    const writing = writeUntilReplaced(url);
    const { safety } = await sandbox.restore(url, { safetyBackup: true }, first);
    const acknowledged = await writing;
    assert.ok(acknowledged > 20, `${acknowledged} writes`);
    await sandbox.restore(url, {}, safety[0]);
    const written = Number(await cluster.sql('select count(*) from written', 'shop'));
    // The last one may have been committed without the client hearing of it.
    assert.ok(written === acknowledged || written === acknowledged + 1, `${written} of ${acknowledged}`);
    await cluster.sql('drop table written', 'shop');
  });

  test('a safety backup that fails leaves what was replaced, which the next restore backs up and drops', async () => {
    const first = (await sandbox.snapshots())[0]!;
    const full = async (): Promise<void> => {
      throw new LifeboatError('storage-full', 'no space is left');
    };
    const said = await sandbox.restore(url, { safetyBackup: true }, first, full).catch((error) => error);
    assert.equal(said.code, 'restore-incomplete');
    assert.match(
      said.message,
      /^shop is restored, but .*no space is left.* as the database shop_lifeboat_old_/,
    );
    assert.match(said.hint, /DROP DATABASE "shop_lifeboat_old_.*ALTER DATABASE "shop" RENAME TO/);
    assert.equal(await cluster.sql('select n from t', 'shop'), '1');
    await cluster.sql('create database shop_lifeboat_new_0123abcd owner keeper');

    const kept = await sandbox.plan(url, {}, first);
    assert.deepEqual(
      kept.leftovers.map(({ purpose }) => purpose),
      ['new'],
    );
    assert.match(kept.warnings.join('\n'), /shop_lifeboat_old_\w+ is left .* and has what that replaced/);
    const { plan, safety } = await sandbox.restore(url, { safetyBackup: true }, first);
    assert.deepEqual(plan.leftovers.map(({ purpose }) => purpose).toSorted(), ['new', 'old']);
    assert.equal(await databases(), 'postgres shop');
    assert.equal(safety.length, 2);
    await sandbox.restore(url, {}, safety[0]);
    assert.equal(await cluster.sql('select n from t', 'shop'), '2');
  });

  test('a second restore of the same database is refused while one runs', async () => {
    let second: unknown = null;
    const during = async (): Promise<void> => {
      second = await sandbox.restore(cluster.urlOf({ database: 'template1' }), {}).catch((error) => error);
    };
    await sandbox.restore(url, { safetyBackup: true }, undefined, during);
    fails(/another restore works on the database shop/, /pg_terminate_backend/)(second);
    await sandbox.restore(url, {}, (await sandbox.snapshots())[1]!);
  });

  test('the plan names replication slots and subscriptions, which are in no dump', async () => {
    await cluster.sql(`select pg_create_logical_replication_slot('feed', 'pgoutput')`, 'shop');
    await cluster.sql(
      `create subscription news connection 'dbname=nowhere' publication p with (connect = false)`,
      'shop',
    );
    const { warnings } = await sandbox.plan(url);
    assert.match(warnings.join('\n'), /slots of shop end with it: feed/);
    assert.match(warnings.join('\n'), /shop has subscriptions \(news\)/);
    await cluster.sql(`alter subscription news set (slot_name = none); drop subscription news`, 'shop');
    await cluster.sql(`select pg_drop_replication_slot('feed')`);
  });

  test('what a killed restore left is named by the next one, and not backed up', async () => {
    await cluster.sql('create database shop_lifeboat_new_0123abcd owner keeper');
    const { warnings } = await sandbox.plan(url, { renamed: 'copy' });
    assert.match(warnings.join('\n'), /DROP DATABASE "shop_lifeboat_new_0123abcd"/);
    const dumped = await sandbox.dump(cluster.url, { allDatabases: true });
    assert.deepEqual(
      dumped.manifest.databases.map(({ name }) => name),
      ['postgres', 'shop'],
    );
    assert.match(dumped.warnings.join('\n'), /shop_lifeboat_new_0123abcd is of a restore/);
    await cluster.sql('drop database shop_lifeboat_new_0123abcd');
  });

  test('a restore that is interrupted says that the old data is still there, and leaves nothing', async () => {
    await cluster.sql('insert into t select generate_series(1, 400000)', 'shop');
    const { report } = await sandbox.dump(cluster.urlOf({ database: 'shop' }));
    const interrupt = new AbortController();
    const restored = sandbox.restore(url, { signal: interrupt.signal }, report.snapshotId!);
    const watch = setInterval(async () => {
      if (/_new_/.test(await databases())) interrupt.abort();
    }, 20);
    const rejected = assert.rejects(restored, {
      code: 'cancelled',
      message: /shop was interrupted.*still there/,
    });
    await rejected.finally(() => clearInterval(watch));
    assert.equal(await databases(), 'postgres shop');
  });
});
