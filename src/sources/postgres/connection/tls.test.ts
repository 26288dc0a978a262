import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Cluster, createCluster } from '../../../../test/postgres/cluster.ts';
import { asServerAccount, missingServer } from '../../../../test/postgres/programs.ts';
import { hasCode } from '../../../core/errors.ts';
import { openSqlSession } from './session.ts';
import { connectionSettings } from './settings.ts';

function openssl(folder: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { cwd: folder });
  assert.equal(status, 0, String(stderr));
}

/** An authority, and certificates signed by it: of the server `localhost` and of the client `app`. */
function makeCertificates(folder: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl(
    folder,
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=Test authority',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
  );
  openssl(
    folder,
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=Other authority',
    '-keyout',
    'other.key',
    '-out',
    'other.crt',
  );
  for (const [name, subject] of [
    ['server', 'localhost'],
    ['client', 'app'],
  ] as const) {
    openssl(
      folder,
      'req',
      ...key.slice(0, -2),
      '-subj',
      `/CN=${subject}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    const signed = [
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-out',
      `${name}.crt`,
    ];
    openssl(folder, 'x509', '-req', '-in', `${name}.csr`, ...signed);
    chmodSync(join(folder, `${name}.key`), 0o600);
  }
  const { uid, gid } = asServerAccount();
  if (uid !== undefined && gid !== undefined) {
    for (const name of ['server.key', 'server.crt', 'ca.crt']) chownSync(join(folder, name), uid, gid);
  }
}

describe('TLS to a real server', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await createCluster();
    const { folder } = cluster;
    makeCertificates(folder);
    const at = (name: string): string => `'${join(folder, name)}'`;
    const lines = ['ssl = on', `ssl_cert_file = ${at('server.crt')}`, `ssl_key_file = ${at('server.key')}`];
    const main = join(cluster.data, 'postgresql.auto.conf');
    writeFileSync(
      main,
      [...lines, `ssl_ca_file = ${at('ca.crt')}`, "password_encryption = 'scram-sha-256'", ''].join('\n'),
    );
    const rules = [
      'local all all trust',
      'hostssl all plain 127.0.0.1/32 reject',
      'hostssl all app 127.0.0.1/32 cert',
      'hostssl all scram 127.0.0.1/32 scram-sha-256',
      'hostnossl all tls 127.0.0.1/32 reject',
      'host all all 127.0.0.1/32 trust',
    ];
    writeFileSync(join(cluster.data, 'pg_hba.conf'), `${rules.join('\n')}\n`);
    await cluster.start();
    await cluster.sql(
      "create role plain login; create role tls login; create role app login; create role scram login password 'p'",
    );
  });
  after(() => cluster.destroy());

  async function encrypted(user: string, query: string, host = 'localhost'): Promise<boolean> {
    const uri = `postgresql://${user}@${host}:${cluster.port}/postgres?${query.replaceAll('CA', join(cluster.folder, 'ca.crt'))}`;
    const settings = await connectionSettings(uri, { password: null, env: { HOME: '/nonexistent' } });
    const session = await openSqlSession(settings);
    try {
      const [row] = await session.query<{ ssl: boolean }>(
        'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
      );
      assert.equal(row?.ssl, session.encrypted);
      return session.encrypted;
    } finally {
      await session.close();
    }
  }
  const rejectsTls = (attempt: Promise<unknown>, why: RegExp): Promise<void> =>
    assert.rejects(attempt, (error) => hasCode(error, 'database-tls') && why.test(error.message));

  test('disable is plain, require is encrypted', async () => {
    assert.equal(await encrypted('postgres', 'sslmode=disable'), false);
    assert.equal(await encrypted('postgres', 'sslmode=require'), true);
  });

  test('prefer encrypts, and goes on without where the server refuses that', async () => {
    assert.equal(await encrypted('postgres', 'sslmode=prefer'), true);
    assert.equal(await encrypted('plain', 'sslmode=prefer'), false);
  });

  test('allow is plain, and encrypts where the server refuses that', async () => {
    assert.equal(await encrypted('postgres', 'sslmode=allow'), false);
    assert.equal(await encrypted('tls', 'sslmode=allow'), true);
  });

  test('require takes no plain connection', async () => {
    await assert.rejects(encrypted('plain', 'sslmode=require'), (error) =>
      hasCode(error, 'database-login-refused'),
    );
  });

  test('verify-ca wants the authority, and no particular name', async () => {
    assert.equal(await encrypted('postgres', 'sslmode=verify-ca&sslrootcert=CA'), true);
    assert.equal(await encrypted('postgres', 'sslmode=verify-ca&sslrootcert=CA', '127.0.0.1'), true);
    const other = `sslmode=verify-ca&sslrootcert=${join(cluster.folder, 'other.crt')}`;
    await rejectsTls(encrypted('postgres', other), /unable to verify|self.signed|issuer/);
    await rejectsTls(encrypted('postgres', 'sslmode=verify-ca'), /root\.crt does not exist/);
  });

  test('verify-full wants the name, too', async () => {
    assert.equal(await encrypted('postgres', 'sslmode=verify-full&sslrootcert=CA'), true);
    await rejectsTls(
      encrypted('postgres', 'sslmode=verify-full&sslrootcert=CA', '127.0.0.1'),
      /127\.0\.0\.1/,
    );
    await rejectsTls(encrypted('postgres', 'sslrootcert=system'), /unable to verify|self.signed|issuer/);
  });

  test('require verifies where an authority is named', async () => {
    const other = `sslmode=require&sslrootcert=${join(cluster.folder, 'other.crt')}`;
    await rejectsTls(encrypted('postgres', other), /unable to verify|self.signed|issuer/);
  });

  test('a certificate of the client logs in', async () => {
    const files = `sslcert=${join(cluster.folder, 'client.crt')}&sslkey=${join(cluster.folder, 'client.key')}`;
    assert.equal(await encrypted('app', `sslmode=verify-full&sslrootcert=CA&${files}`), true);
    await rejectsTls(
      encrypted('app', `sslmode=require&sslcert=${join(cluster.folder, 'none.crt')}`),
      /none\.crt does not exist/,
    );
  });

  test('channel binding holds where it is required, and fails where it cannot be', async () => {
    assert.equal(await encrypted('scram:p', 'sslmode=require&channel_binding=require'), true);
    await assert.rejects(encrypted('tls', 'sslmode=require&channel_binding=require'), (error) =>
      hasCode(error, 'database-login-refused'),
    );
  });

  test('a socket of this machine is plain, whatever the mode', async () => {
    const settings = await connectionSettings(`${cluster.url}&sslmode=require`, { password: null, env: {} });
    const session = await openSqlSession(settings);
    assert.equal(session.encrypted, false);
    await session.close();
  });
});
