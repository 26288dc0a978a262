import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, createCluster, freePort, superuser } from '../../../../test/postgres/cluster.ts';
import { missingServer, type Server as ServerKind } from '../../../../test/postgres/programs.ts';
import { type ErrorCode, hasCode } from '../../../core/errors.ts';
import { openReplication } from '../replication/session.ts';
import { requireDirect, requireOwnSession } from './pooler.ts';
import { readServerFacts, requirePhysicalVersion } from './server.ts';
import { openSqlSession, type SqlSession } from './session.ts';
import { type ConnectionSettings, connectionSettings } from './settings.ts';

const settingsOf = (uri: string): Promise<ConnectionSettings> =>
  connectionSettings(uri, { password: null, env: { HOME: '/nonexistent' } });

const code =
  (wanted: ErrorCode, message = /./) =>
  (error: unknown): boolean => {
    assert.ok(hasCode(error, wanted), String(error));
    assert.match(`${error.message}\n${error.hint}`, message);
    return true;
  };

/**
 * What a pooler shows: it answers with a process of its own, refuses replication, and, where connections are
 * shared, gives each client the same one. Here each client is passed through, with another number.
 */
async function fakePooler(t: TestContext, target: number): Promise<number> {
  const server: Server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let begun = false;
    client.on('data', (data: Buffer) => {
      if (!begun && data.includes('replication\0')) {
        const fields = ['SFATAL', 'VFATAL', 'C08P01', 'Munsupported startup parameter: replication', ''];
        const body = Buffer.from(fields.map((field) => `${field}\0`).join(''));
        const head = Buffer.from([0x45, 0, 0, 0, 4 + body.length]);
        return void client.end(Buffer.concat([head, body]));
      }
      begun = true;
      upstream.write(data);
    });
    upstream.on('data', (data: Buffer) => {
      const key = data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (key !== -1) data.writeUInt32BE(123456789, key + 5);
      client.write(data);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

for (const kind of ['debian', 'newest'] satisfies ServerKind[]) {
  describe(`a session with the ${kind} server`, { skip: missingServer(kind) }, () => {
    let cluster: Cluster;
    before(async () => {
      cluster = await createCluster({ server: kind, initdb: ['--data-checksums', '--wal-segsize=1'] });
      appendFileSync(join(cluster.data, 'postgresql.conf'), "password_encryption = 'scram-sha-256'\n");
      const rules = ['host all scram 127.0.0.1/32 scram-sha-256', 'host all nobody 127.0.0.1/32 reject'];
      const file = join(cluster.data, 'pg_hba.conf');
      writeFileSync(
        file,
        `${rules.join('\n')}\nhost replication scram 127.0.0.1/32 reject\n${readFileSync(file, 'utf8')}`,
      );
      await cluster.start();
      await cluster.sql("create role scram login password 'geheim'; create role plain login");
    });
    after(() => cluster.destroy());

    async function open(t: TestContext, uri = cluster.url): Promise<SqlSession> {
      const session = await openSqlSession(await settingsOf(uri));
      t.after(() => session.close());
      return session;
    }

    test('returns 64-bit integers as bigint and times as text', async (t) => {
      const session = await open(t);
      const rows = await session.query(
        "select 9007199254740993 as big, 1 as small, timestamptz '2026-11-20 14:03:11.123456+01' as at, '\\x00ff'::bytea as bytes, $1::text as given",
        ['ü'],
      );
      assert.deepEqual(rows, [
        {
          big: 9007199254740993n,
          small: 1,
          at: '2026-11-20 13:03:11.123456+00',
          bytes: Buffer.from([0, 255]),
          given: 'ü',
        },
      ]);
    });

    test('does not depend on settings of role and database', async (t) => {
      await cluster.sql(
        "alter role plain set statement_timeout = 150; alter role plain set datestyle = 'German'; alter role plain set client_encoding = 'LATIN1'",
      );
      const session = await open(t, cluster.urlOf({ user: 'plain' }));
      const [row] = await session.query<{ day: string; path: string; name: string }>(
        "select date '2026-11-20'::text as day, current_setting('search_path') as path, current_setting('application_name') as name, pg_catalog.pg_sleep(0.3)",
      );
      assert.deepEqual([row?.day, row?.path, row?.name], ['2026-11-20', '', 'lifeboat']);
    });

    test('tells what the server is', async (t) => {
      const facts = await readServerFacts(await open(t));
      assert.equal(facts.dataDirectory, cluster.data);
      assert.equal(facts.segmentBytes, 1024 * 1024);
      assert.equal(facts.blockBytes, 8192);
      assert.equal(facts.dataChecksums, true);
      assert.equal(facts.inRecovery, false);
      assert.deepEqual([facts.isSuperuser, facts.canReplicate, facts.readsAllData], [true, true, true]);
      assert.equal(facts.pooler, null);
      assert.equal(
        facts.systemIdentifier,
        await cluster.sql('select system_identifier from pg_control_system()'),
      );
      assert.ok(Math.abs(facts.clockMs - Date.now()) < 60_000);
      requirePhysicalVersion(facts);
      const old = { ...facts, versionNumber: 120_022, version: '12.22' };
      assert.throws(
        () => requirePhysicalVersion(old),
        code('database-version', /PostgreSQL 12\.22.*\n.*logical/),
      );
    });

    test('tells what a role that may little can see', async (t) => {
      const facts = await readServerFacts(await open(t, cluster.urlOf({ user: 'plain' })));
      assert.deepEqual(
        [facts.isSuperuser, facts.canReplicate, facts.readsAllSettings, facts.readsAllData],
        [false, false, false, false],
      );
      assert.equal(facts.dataDirectory, null);
      assert.equal(facts.archiveMode, 'off');
    });

    test('survives a refused statement, which says why', async (t) => {
      const session = await open(t, cluster.urlOf({ user: 'plain' }));
      await assert.rejects(
        session.query('select * from pg_catalog.pg_authid'),
        code('database-permission', /pg_authid/),
      );
      await assert.rejects(session.query('select nothing'), code('database-failed', /nothing/));
      assert.deepEqual(await session.query('select 1 as one'), [{ one: 1 }]);
    });

    test('gives up a statement when told to, at once', async (t) => {
      const session = await open(t);
      const slow = assert.rejects(session.query('select pg_catalog.pg_sleep(60)'), code('database-failed'));
      await delay(50);
      await session.cancel();
      await slow;
      assert.deepEqual(await session.query('select 1 as one'), [{ one: 1 }]);
    });

    test('ends when its signal is aborted, and the server with it', async () => {
      const stop = new AbortController();
      const session = await openSqlSession(await settingsOf(cluster.url), {
        signal: stop.signal,
        applicationName: 'stopped',
      });
      const slow = assert.rejects(session.query('select pg_catalog.pg_sleep(60)'), code('cancelled'));
      await delay(50);
      stop.abort();
      await slow;
      await session.close();
      const count = "select count(*) from pg_stat_activity where application_name = 'stopped'";
      while ((await cluster.sql(count)) !== '0') await delay(20);
    });

    test('tells when it is lost', async (t) => {
      const session = await open(t);
      await cluster.sql(`select pg_terminate_backend(${session.backendPid})`);
      assert.ok(code('database-connection-lost')(await session.lost));
      await assert.rejects(session.query('select 1'), code('database-connection-lost'));
    });

    test('logs in by password, and says what is wrong with another', async (t) => {
      const uri = (password?: string): string =>
        cluster.urlOf({ user: 'scram', host: '127.0.0.1', ...(password && { password }) });
      await open(t, uri('geheim'));
      await assert.rejects(
        open(t, uri('falsch')),
        code('database-login-refused', /password authentication failed/),
      );
      await assert.rejects(
        open(t, uri()),
        code('database-login-refused', /asks for a password, and none was given/),
      );
    });

    test('says which line pg_hba.conf lacks, and what else keeps it out', async (t) => {
      const refused = open(t, cluster.urlOf({ user: 'nobody', host: '127.0.0.1' }));
      await assert.rejects(refused, code('database-login-refused', /pg_hba\.conf/));
      await assert.rejects(
        open(t, cluster.urlOf({ database: 'nowhere' })),
        code('database-missing', /nowhere/),
      );
      const closed = `postgresql://u@127.0.0.1:${await freePort()}/d`;
      await assert.rejects(open(t, closed), code('database-unreachable', /ECONNREFUSED/));
      await assert.rejects(
        open(t, 'postgresql://u@/d?host=/nonexistent'),
        code('database-unreachable', /ENOENT/),
      );
      const replication = openReplication(await settingsOf(cluster.urlOf({ user: 'plain' })));
      await assert.rejects(replication, code('database-permission', /ALTER ROLE "plain" REPLICATION/));
    });

    test('takes the first host that answers and is wanted', async (t) => {
      const hosts = `127.0.0.1:${await freePort()},127.0.0.1:${cluster.port}`;
      const uri = `postgresql://${superuser}@${hosts}/postgres`;
      const session = await open(t, `${uri}?target_session_attrs=read-write`);
      assert.equal(session.settings.port, cluster.port);
      assert.equal((await open(t, `${uri}?target_session_attrs=prefer-standby`)).settings.port, cluster.port);
      await assert.rejects(
        open(t, `${uri}?target_session_attrs=standby`),
        code('database-unreachable', /ECONNREFUSED.*target_session_attrs=standby/),
      );
    });

    test('finds a pooler and says how to get past it', async (t) => {
      const port = await fakePooler(t, cluster.port);
      const uri = `postgresql://${superuser}@127.0.0.1:${port}/postgres?sslmode=disable`;
      const session = await open(t, uri);
      const facts = await readServerFacts(session);
      assert.deepEqual([facts.pooler, facts.transactionPooling], ['a connection pooler', false]);
      assert.throws(
        () => requireDirect(facts, session, 'a physical backup'),
        code('database-pooler', /5432/),
      );
      requireOwnSession(facts, session, 'a logical backup');
      const shared = { ...facts, transactionPooling: true };
      assert.throws(() => requireOwnSession(shared, session, 'a logical backup'), code('database-pooler'));
      await assert.rejects(
        openReplication(await settingsOf(uri)),
        code('database-pooler', /unsupported startup parameter/),
      );
    });
  });
}
