import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { createLogicalSandbox, type LogicalSandbox } from './logical-sandbox.ts';
import { missingServer } from './programs.ts';

/** Everything that a restore must bring back, as one text. */
const contentOf = (cluster: Cluster, database: string): Promise<string> =>
  cluster.sql(
    `select (select md5(string_agg(i::text, ',' order by id)) from stock.item i),
       (select string_agg(c.relname || pg_get_userbyid(c.relowner) || coalesce(c.relacl::text, ''), ' ' order by c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('stock', 'public')),
       (select string_agg(encode(lo_get(oid), 'hex'), ' ') from pg_largeobject_metadata),
       (select count(*) from pg_constraint where conrelid = 'stock.item'::regclass),
       (select pg_get_userbyid(datdba) || coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(datacl) a), '') || datconnlimit
        from pg_database where datname = current_database()),
       shobj_description((select oid from pg_database where datname = current_database()), 'pg_database')`,
    database,
  );

const fails = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LifeboatError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

describe('a logical restore', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let sandbox: LogicalSandbox;
  let content: string;
  let snapshot: string;

  before(async () => {
    sandbox = await createLogicalSandbox();
    cluster = await createCluster();
    await cluster.start();
    await cluster.sql(`create role app login password 'secret-of-app' nosuperuser; create role reader`);
    await cluster.sql(`create database shop owner app`);
    await cluster.sql(`comment on database shop is 'what is sold'; alter database shop set work_mem = '7MB';
      grant connect on database shop to reader; alter database shop connection limit 40`);
    await cluster.sql(
      `set role app; create schema stock; create table stock.kind (id int primary key);
       insert into stock.kind values (1), (2);
       create table stock.item (id serial primary key, kind int references stock.kind, name text not null unique);
       insert into stock.item (kind, name) select 1 + g % 2, md5(g::text) from generate_series(1, 5000) g;
       create view stock.names as select name from stock.item;
       grant select on stock.item to reader;
       create table public.note (id int generated always as identity, t text);
       insert into public.note (t) values ('hello');
       select lo_from_bytea(0, '\\xdeadbeef')`,
      'shop',
    );
    content = await contentOf(cluster, 'shop');
    snapshot = (await sandbox.dump(cluster.urlOf({ database: 'shop' }))).report.snapshotId!;
  });
  after(async () => {
    await cluster?.destroy();
    sandbox?.remove();
  });

  const names = (): Promise<string> =>
    cluster.sql(`select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate`);

  test('makes a database that is missing, with its owner, rights, settings and comment', async () => {
    const { plan, report } = await sandbox.restore(cluster.url, { renamed: 'copy' }, snapshot);
    assert.equal(plan.databases[0]!.way, 'create');
    assert.deepEqual(plan.safetyBackup, []);
    assert.equal(report.databases[0]!.tables, 3);
    assert.equal(await contentOf(cluster, 'copy'), content);
    assert.equal(await cluster.sql('show work_mem', 'copy'), '7MB');
    await cluster.sql('drop database copy');
  });

  test('replaces a database, ending its sessions, and its safety backup comes back as well', async () => {
    await cluster.sql(`update stock.item set name = 'wrong ' || id; create table later ()`, 'shop');
    const wrong = await contentOf(cluster, 'shop');
    const busy = cluster.sql('select pg_sleep(30)', 'shop');
    busy.catch(() => undefined);
    await new Promise((done) => setTimeout(done, 200));
    const url = cluster.urlOf({ database: 'shop' });
    const { plan, report, safety } = await sandbox.restore(url, { safetyBackup: true }, snapshot);
    assert.deepEqual(plan.safetyBackup, ['shop']);
    assert.ok(plan.databases[0]!.sessionsToEnd >= 1);
    assert.equal(report.databases[0]!.way, 'swap');
    const saved = (await listSnapshots(await sandbox.open())).snapshots.find(({ id }) => id === safety[0]);
    assert.deepEqual(saved?.tags?.slice(0, 2), ['lifeboat:source=app', 'lifeboat:kind=safety']);
    await assert.rejects(busy, /terminating connection|server closed/);
    assert.equal(await contentOf(cluster, 'shop'), content);
    assert.equal(await names(), 'postgres shop');

    await sandbox.restore(url, {}, safety[0]);
    assert.equal(await contentOf(cluster, 'shop'), wrong);
    await sandbox.restore(url, {}, snapshot);
  });

  test('that fails leaves the old database as it was, and no other behind', async () => {
    await sandbox.dump(cluster.urlOf({ database: 'shop' }));
    const before = await contentOf(cluster, 'shop');
    await cluster.sql('alter role reader rename to watcher');
    try {
      await assert.rejects(
        sandbox.restore(cluster.urlOf({ database: 'shop' }), {}, snapshot),
        fails('database-restore-failed', /role "reader" does not exist[\s\S]*old data is still there/),
      );
      assert.equal(await names(), 'postgres shop');
      assert.equal((await contentOf(cluster, 'shop')).replaceAll('watcher', 'reader'), before);
      const { report } = await sandbox.restore(
        cluster.urlOf({ database: 'shop' }),
        { onError: 'continue', renamed: 'partial' },
        snapshot,
      );
      assert.match(report.databases[0]!.problems.join(), /role "reader" does not exist/);
      await sandbox.restore(cluster.url, { privileges: false, renamed: 'closed' }, snapshot);
      await cluster.sql('drop database closed');
    } finally {
      await cluster.sql('alter role watcher rename to reader; drop database if exists partial');
    }
  });

  test('by several jobs, from a file or a folder, leaves nothing in the scratch folder', async () => {
    const { manifest } = await sandbox.dump(cluster.urlOf({ database: 'shop' }), { jobs: 2 });
    assert.equal(manifest.databases[0]!.format, 'directory');
    for (const named of [snapshot, undefined]) {
      const { plan } = await sandbox.restore(cluster.url, { jobs: 2, renamed: 'parallel' }, named);
      assert.ok(plan.scratch!.bytesFree > plan.scratch!.bytesNeeded);
      assert.equal(await contentOf(cluster, 'parallel'), content);
      await cluster.sql('drop database parallel');
    }
    assert.deepEqual(
      readdirSync(sandbox.folder).filter((name) => name.startsWith('lifeboat-dump-')),
      [],
    );
  });

  test('of one table brings back all that is its own, and nothing else', async () => {
    const tables = [{ schema: 'public', table: 'note' }];
    const url = cluster.urlOf({ database: 'shop' });
    await cluster.sql(`insert into note (t) values ('later'); insert into stock.kind values (3)`, 'shop');
    await assert.rejects(
      sandbox.plan(url, { tables }, snapshot),
      fails('usage', /shop has public\.note already/),
    );
    const { plan } = await sandbox.restore(url, { tables, drop: true }, snapshot);
    assert.equal(plan.databases[0]!.way, 'objects');
    assert.deepEqual(plan.databases[0]!.selection!.replaced, tables);
    assert.equal(await cluster.sql('select t from note', 'shop'), 'hello');
    assert.equal(await cluster.sql('insert into note (t) values (1) returning id', 'shop'), '2');
    assert.equal(await cluster.sql('select count(*) from stock.kind', 'shop'), '3');
    // The view on it keeps the table from being dropped: then nothing at all is changed.
    const item = [{ schema: 'stock', table: 'item' }];
    await assert.rejects(
      sandbox.restore(url, { tables: item, drop: true }, snapshot),
      fails('database-restore-failed', /view stock\.names depends/),
    );
    assert.equal(await cluster.sql('select count(*) from stock.item', 'shop'), '5000');
    await assert.rejects(
      sandbox.plan(url, { tables: [{ schema: 'stock', table: 'nothing' }] }, snapshot),
      fails('usage', /no table stock\.nothing/),
    );
  });

  test('of a schema into an empty database makes the schema, with keys, sequences and rights', async () => {
    await cluster.sql('create database part owner app');
    await sandbox.restore(cluster.url, { schemas: ['stock'], renamed: 'part' }, snapshot);
    const facts = `select (select count(*) from stock.item), (select count(*) from pg_constraint where connamespace = 'stock'::regnamespace),
      nextval('stock.item_id_seq'), has_table_privilege('reader', 'stock.item', 'select'), to_regclass('public.note')`;
    assert.equal(await cluster.sql(facts, 'part'), '5000|4|5001|t|');
    await cluster.sql('drop database part');
  });

  test('by a role that may not make databases happens in one transaction', async () => {
    await sandbox.restore(cluster.urlOf({ database: 'shop' }), {}, snapshot);
    await cluster.sql('delete from stock.item', 'shop');
    const url = cluster.urlOf({ database: 'shop', user: 'app' });
    const { plan } = await sandbox.restore(url, {}, snapshot);
    assert.equal(plan.databases[0]!.way, 'in-place');
    assert.match(plan.warnings.join(), /may not replace the database/);
    assert.equal(await cluster.sql('select count(*) from stock.item', 'shop'), '5000');
    await assert.rejects(
      sandbox.plan(url, { renamed: 'elsewhere' }, snapshot),
      fails('database-permission', /may not make one/),
    );
  });

  test('on another server brings roles with their passwords, and skips those that are there', async (t) => {
    const other = await createCluster();
    t.after(() => other.destroy());
    await other.start();
    await other.sql(`create role reader login password 'kept'`);
    const kept = await other.sql(`select rolpassword from pg_authid where rolname = 'reader'`);
    await assert.rejects(
      sandbox.plan(other.url, {}, snapshot),
      fails('database-restore-failed', /does not have the roles app/),
    );
    const { report } = await sandbox.restore(other.url, { globals: true }, snapshot);
    assert.deepEqual(report.globals, { rolesCreated: 1, rolesSkipped: ['postgres', 'reader'], problems: [] });
    assert.equal(await contentOf(other, 'shop'), content);
    const password = `select rolpassword from pg_authid where rolname = 'app'`;
    assert.equal(await other.sql(password), await cluster.sql(password));
    assert.equal(await other.sql(`select rolpassword from pg_authid where rolname = 'reader'`), kept);
  });

  test('that is killed midway leaves the old database as it was', async () => {
    const controller = new AbortController();
    const url = cluster.urlOf({ database: 'shop' });
    await cluster.sql(`insert into stock.kind values (77)`, 'shop');
    const watching = (async () => {
      while (!/lifeboat_new/.test(await names()));
      controller.abort(new LifeboatError('cancelled', 'interrupted'));
    })();
    await assert.rejects(
      sandbox.restore(url, { signal: controller.signal }, snapshot),
      (error) => error instanceof LifeboatError && error.code === 'cancelled',
    );
    await watching;
    assert.equal(await names(), 'postgres shop');
    assert.equal(await cluster.sql('select count(*) from stock.kind where id = 77', 'shop'), '1');
  });
});
