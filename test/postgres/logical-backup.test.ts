import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { openSqlSession } from '../../src/sources/postgres/connection/session.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { wholeDatabase } from '../../src/sources/postgres/logical/options.ts';
import { succeed, systemRestic } from '../programs.ts';
import { type Cluster, createCluster, runAsServer } from './cluster.ts';
import { createLogicalSandbox, dumpedSource, type LogicalSandbox } from './logical-sandbox.ts';
import { binFolder, missingServer } from './programs.ts';

const oddName = 'We/ird ; "name" %41';
const quoted = `"${oddName.replaceAll('"', '""')}"`;

describe('a logical backup', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let sandbox: LogicalSandbox;
  before(async () => {
    sandbox = await createLogicalSandbox();
    cluster = await createCluster();
    await cluster.start();
    await cluster.sql(`create role app login password 'secret-of-app'; create database shop owner app`);
    await cluster.sql(`create database ${quoted}`);
    await cluster.sql(`comment on database shop is 'what is sold'; alter database shop set work_mem = '7MB'`);
    await cluster.sql(
      `create schema stock; create table stock.item (id int primary key, name text);
       insert into stock.item select g, md5(g::text) from generate_series(1, 20000) g;
       create table public.note (t text); insert into public.note values ('hello');
       select lo_from_bytea(0, '\\xdeadbeef')`,
      'shop',
    );
    await cluster.sql(`create table t as select 1 as n`, oddName);
  });
  after(async () => {
    await cluster?.destroy();
    sandbox?.remove();
  });

  /** What stock restic brings back of the newest snapshot. */
  async function restored(name: string): Promise<string> {
    const target = join(sandbox.folder, `restored-${name}`);
    await succeed(systemRestic, ['restore', 'latest', '--target', target], {
      repository: sandbox.repository,
    });
    return join(target, dumpedSource);
  }

  function listing(dump: string): string {
    const { status, stdout, stderr } = spawnSync(join(binFolder('debian')!, 'pg_restore'), ['-l', dump]);
    assert.equal(status, 0, stderr.toString());
    return stdout.toString();
  }

  test('of all databases comes back by stock restic as dumps that stock pg_restore reads', async () => {
    const { manifest, warnings } = await sandbox.dump(cluster.url, { allDatabases: true });
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      manifest.databases.map(({ name, path }) => ({ name, path })),
      [
        { name: oddName, path: 'databases/We%2Fird ; "name" %2541.dump' },
        { name: 'postgres', path: 'databases/postgres.dump' },
        { name: 'shop', path: 'databases/shop.dump' },
      ],
    );
    const folder = await restored('all');
    const list = listing(join(folder, 'databases', 'shop.dump'));
    assert.match(list, /TABLE DATA stock item/);
    assert.match(list, /BLOBS/);
    assert.match(list, /Compression: 0/);
    for (const { path } of manifest.databases) listing(join(folder, path));
    const globals = readFileSync(join(folder, 'globals.sql'), 'utf8');
    assert.match(globals, /CREATE ROLE app;[\s\S]*PASSWORD 'SCRAM-SHA-256/);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, '.lifeboat', 'manifest.json'), 'utf8')), manifest);
    const shop = manifest.databases.find(({ name }) => name === 'shop')!;
    assert.equal(shop.owner, 'app');
    assert.equal(shop.comment, 'what is sold');
    assert.equal(shop.encoding, 'UTF8');
    assert.deepEqual(shop.settings, [{ role: null, name: 'work_mem', value: '7MB' }]);
    assert.equal(shop.bytes, readFileSync(join(folder, shop.path)).length);
  });

  test('by several jobs is a folder, and its scratch folder is gone', async () => {
    const { manifest } = await sandbox.dump(cluster.urlOf({ database: 'shop' }), { jobs: 2 });
    assert.deepEqual(
      manifest.databases.map(({ path, format }) => [path, format]),
      [['databases/shop.dir', 'directory']],
    );
    assert.match(listing(join(await restored('jobs'), 'databases', 'shop.dir')), /TABLE DATA stock item/);
    assert.deepEqual(
      readdirSync(sandbox.folder).filter((name) => name.startsWith('lifeboat-dump-')),
      [],
    );
  });

  test('takes the schemas and tables that it is told', async () => {
    const url = cluster.urlOf({ database: 'shop' });
    const listOf = async (more: Partial<typeof wholeDatabase>, name: string): Promise<string> => {
      await sandbox.dump(url, { selection: { ...wholeDatabase, ...more } });
      return listing(join(await restored(name), 'databases', 'shop.dump'));
    };
    const stock = await listOf({ includeSchemas: ['stock'] }, 'stock');
    assert.match(stock, /TABLE DATA stock item/);
    assert.doesNotMatch(stock, /TABLE DATA public note/);
    const rest = await listOf({ excludeTables: ['stock.item'] }, 'rest');
    assert.doesNotMatch(rest, /stock item/);
    assert.match(rest, /TABLE DATA public note/);
    const bare = await listOf({ schemaOnly: true }, 'bare');
    assert.match(bare, /TABLE stock item/);
    assert.doesNotMatch(bare, /TABLE DATA/);
    await assert.rejects(
      listOf({ includeTables: ['stock.nothing'] }, 'nothing'),
      isDumpFailure(/no matching/),
    );
  });

  test('never shows a password in the arguments or the environment of a program', async () => {
    await cluster.sql(`alter role app superuser`);
    const seen: string[] = [];
    let programs = 0;
    const watch = setInterval(() => {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
          if (!/pg_dump(all)?\0/.test(line)) continue;
          programs++;
          seen.push(line, readFileSync(`/proc/${pid}/environ`, 'latin1'));
        } catch {
          // It has ended.
        }
      }
    }, 5);
    try {
      const url = cluster.urlOf({
        database: 'shop',
        user: 'app',
        password: 'secret-of-app',
        host: '127.0.0.1',
      });
      await sandbox.dump(url);
    } finally {
      clearInterval(watch);
    }
    assert.ok(programs > 0);
    assert.ok(!seen.join('\n').includes('secret-of-app'));
  });

  test('by a role that may not read passwords leaves them out and says so', async () => {
    await cluster.sql('alter role app nosuperuser');
    const { manifest, warnings } = await sandbox.dump(cluster.urlOf({ user: 'app' }));
    assert.equal(manifest.globals, true);
    assert.equal(manifest.rolePasswords, false);
    assert.match(warnings.join(), /may not read the passwords/);
    assert.doesNotMatch(readFileSync(join(await restored('poor'), 'globals.sql'), 'utf8'), /PASSWORD/);
  });

  test('goes through TLS with the server’s certificate verified', async () => {
    const at = (name: string): string => join(cluster.folder, name);
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const more = ['-subj', '/CN=db', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    await runAsServer('openssl', [...made, '-keyout', at('key'), '-out', at('crt'), ...more]);
    const plain = readFileSync(join(cluster.data, 'pg_hba.conf'), 'utf8');
    writeFileSync(
      join(cluster.data, 'pg_hba.conf'),
      `local all all trust\nhostssl all all 127.0.0.1/32 trust\n`,
    );
    await cluster.sql(`alter system set ssl_key_file = '${at('key')}'`);
    await cluster.sql(`alter system set ssl_cert_file = '${at('crt')}'`);
    await cluster.sql('alter system set ssl = on');
    await cluster.sql('select pg_reload_conf()');
    try {
      const url = cluster.urlOf({ database: 'shop', host: '127.0.0.1' });
      const { manifest } = await sandbox.dump(`${url}?sslmode=verify-full&sslrootcert=${at('crt')}`);
      assert.equal(manifest.databases.length, 1);
      await assert.rejects(sandbox.dump(`${url}?sslmode=disable`), /pg_hba|no encryption/);
    } finally {
      writeFileSync(join(cluster.data, 'pg_hba.conf'), plain);
      await cluster.sql('select pg_reload_conf()');
    }
  });

  /** Locks a table however long the machine takes until it is released. */
  async function lockItem(): Promise<() => Promise<void>> {
    const settings = await connectionSettings(cluster.urlOf({ database: 'shop' }), {
      password: null,
      env: {},
    });
    const session = await openSqlSession(settings);
    await session.query('begin');
    await session.query('lock table stock.item');
    return () => session.close();
  }

  test('makes no snapshot where pg_dump dies midway', async () => {
    const count = async (): Promise<number> => (await listSnapshots(await sandbox.open())).snapshots.length;
    const earlier = await count();
    const release = await lockItem();
    const killing = (async () => {
      for (;;) {
        const dumping = `select pid from pg_stat_activity where query like 'LOCK TABLE%' and wait_event_type = 'Lock'`;
        const [killed] = [await cluster.sql(`select pg_terminate_backend(pid) from (${dumping}) d`)];
        if (killed === 't') return;
      }
    })();
    await assert.rejects(
      sandbox.dump(cluster.urlOf({ database: 'shop' })),
      isDumpFailure(/terminating connection[\s\S]*no snapshot was made/),
    );
    await killing;
    await release();
    assert.equal(await count(), earlier);
  });

  test('does not wait for ever for a table that is locked', async () => {
    const release = await lockItem();
    await assert.rejects(
      sandbox.dump(cluster.urlOf({ database: 'shop' }), { lockWaitMs: 200 }),
      (error) => isDumpFailure(/LOCK TABLE/)(error) && /holds a table/.test((error as LifeboatError).hint),
    );
    await release();
  });

  test('of a database that is not there names those that are', async () => {
    await assert.rejects(
      sandbox.dump(cluster.url, { databases: ['shop', 'nope'] }),
      (error) => error instanceof LifeboatError && /"nope"/.test(error.message) && /shop/.test(error.hint),
    );
  });

  test('says where the scratch folder has too little room', async () => {
    await assert.rejects(
      sandbox.dump(cluster.urlOf({ database: 'shop' }), { jobs: 2, scratch: '/nonexistent' }),
      (error) => error instanceof LifeboatError && error.code === 'scratch-full',
    );
  });
});

test('a pg_dump older than the server is refused before anything is read', {
  skip: missingServer('debian') || missingServer('newest'),
}, async (t) => {
  const sandbox = await createLogicalSandbox();
  t.after(() => sandbox.remove());
  const cluster = await createCluster({ server: 'newest' });
  t.after(() => cluster.destroy());
  await cluster.start();
  await assert.rejects(
    sandbox.dump(cluster.url),
    (error) => error instanceof LifeboatError && error.code === 'tool-older-than-server',
  );
});

function isDumpFailure(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LifeboatError, String(error));
    assert.equal(error.code, 'dump-failed');
    assert.match(error.message, pattern);
    return true;
  };
}
