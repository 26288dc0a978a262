import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { hasCode, LifeboatError } from '../../../core/errors.ts';
import { type ConnectionSettings, connectionSettings } from './settings.ts';

const nowhere = { HOME: '/nonexistent' };
const from = (given: string | null, env: Record<string, string> = {}): Promise<ConnectionSettings> =>
  connectionSettings(given, { password: null, env: { ...nowhere, ...env } });

function passfile(t: TestContext, text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'pass'), text, { mode });
  return join(folder, 'pass');
}

describe('settings of a connection', () => {
  test('come from the string, then the environment, then defaults', async () => {
    const env = { PGHOST: 'other', PGPORT: '7', PGUSER: 'e', PGDATABASE: 'ed', PGSSLMODE: 'require' };
    const given = await from('postgresql://u@h/?sslmode=disable', env);
    assert.equal(String(given), 'u@h:7/ed');
    assert.equal(given.sslMode, 'disable');
    assert.equal(String(await from(null, env)), 'e@other:7/ed');
    assert.equal(String(await from('host=h user=u')), 'u@h:5432/u');
  });

  test('name the folder of a local socket where no host is given', async () => {
    assert.match((await from('postgresql://u@/d')).host, /^(\/|localhost$)/);
  });

  test('name several hosts with one port or a port each', async () => {
    assert.equal(String(await from('postgresql://u@a:1,b:2,[::1]/d')), 'u@a:1,b:2,[::1]:5432/d');
    assert.equal(String(await from('host=a,b port=9 user=u')), 'u@a:9,b:9/u');
    await assert.rejects(from('host=a,b port=1,2,3'), /2 hosts, but 3 ports/);
  });

  test('show the password to nobody who prints them', async () => {
    const settings = await from('postgresql://u:geheim@h/d');
    assert.equal(settings.password, 'geheim');
    const copy = settings.with({ database: 'other' });
    assert.equal(copy.password, 'geheim');
    assert.equal(copy.database, 'other');
    const shown = [
      String(copy),
      inspect(copy, { showHidden: true, depth: 9 }),
      JSON.stringify({ copy }),
      inspect({ ...copy }),
    ];
    assert.doesNotMatch(shown.join(), /geheim/);
  });

  test('take a password that is given apart before all others', async () => {
    const env = { ...nowhere, PGPASSWORD: 'environment' };
    const apart = await connectionSettings('postgresql://u:uri@h/d', { password: 'apart', env });
    assert.equal(apart.password, 'apart');
    assert.equal(
      (await connectionSettings('postgresql://u:uri@h/d', { password: null, env })).password,
      'uri',
    );
    assert.equal(
      (await connectionSettings('postgresql://u@h/d', { password: null, env })).password,
      'environment',
    );
  });

  test('find the password in the first line of the password file that fits', async (t) => {
    const text =
      '# h:5432:d:u:comment\nh:5432:other:u:a\nh:5432:d:u:b\\:\\\\c\n*:*:*:u:d\nlocalhost:*:*:s:local\n';
    const env = { PGPASSFILE: passfile(t, text) };
    assert.equal((await from('postgresql://u@h/d', env)).password, 'b:\\c');
    assert.equal((await from('postgresql://u@h/other', env)).password, 'a');
    assert.equal((await from('postgresql://u@h/d', env)).with({ database: 'x' }).password, 'd');
    assert.equal((await from('postgresql://nobody@h/d', env)).password, null);
    assert.equal((await from('postgresql://s@/d?host=/tmp', env)).password, 'local');
  });

  test('ignore a password file that others can read, and say so', async (t) => {
    const path = passfile(t, '*:*:*:*:secret\n', 0o640);
    const settings = await from('postgresql://u@h/d', { PGPASSFILE: path });
    assert.equal(settings.password, null);
    assert.match(settings.passfileProblem ?? '', /chmod 600/);
  });

  test('ignore what other clients add to a URI', async () => {
    await from('postgresql://u@h/d?schema=public&pgbouncer=true&connection_limit=5&application_name=x');
  });

  const refusals: readonly (readonly [string, RegExp])[] = [
    ['postgresql://h/d?sslmod=require', /no parameter "sslmod"/],
    ['postgresql://h/d?sslmode=yes', /sslmode must be one of disable, allow/],
    ['postgresql://h:99999/d', /a port must be/],
    ['host=h service=x', /service is not supported; give the URI/],
    ['host=h hostaddr=1.2.3.4', /hostaddr is not supported/],
    ['host=h sslrootcert=system sslmode=require', /too weak for sslrootcert=system/],
    ['host=h target_session_attrs=master', /must be one of any, read-write/],
    ['host=h gssencmode=require', /gssencmode=require is not supported/],
  ];
  for (const [text, why] of refusals) {
    test(`refuse ${text}`, async () => {
      await assert.rejects(
        from(text),
        (error) => hasCode(error, 'database-settings') && why.test(error.message),
      );
    });
  }

  test('refuse variables of the environment that would be left out', async () => {
    await assert.rejects(from(null, { PGHOSTADDR: '1.2.3.4' }), LifeboatError);
    await assert.rejects(from(null, { PGSERVICE: 'x' }), LifeboatError);
  });
});
