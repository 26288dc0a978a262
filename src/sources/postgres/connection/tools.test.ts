import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createCluster } from '../../../../test/postgres/cluster.ts';
import { asServerAccount, binFolder, missingServer } from '../../../../test/postgres/programs.ts';
import { hasCode } from '../../../core/errors.ts';
import { runToolToSuccess } from '../../../transport/run-tool.ts';
import { connectionSettings } from './settings.ts';
import { withToolEnvironment } from './tool-environment.ts';
import { findTool, parseToolVersion } from './tools.ts';

function folderWith(t: TestContext, programs: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-tools-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, version] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho '${name} (PostgreSQL) ${version}'\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

describe("finding PostgreSQL's programs", () => {
  test('versions are read as the server counts them', () => {
    const cases: readonly (readonly [string, number | null])[] = [
      ['pg_dump (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)', 150019],
      ['psql (PostgreSQL) 18beta1', 180000],
      ['pg_dump (PostgreSQL) 9.6.24', 90624],
      ['pg_dump (EnterpriseDB) 15.1', null],
    ];
    for (const [text, version] of cases) assert.equal(parseToolVersion(text), version);
  });

  test('a newer program serves an older server', async (t) => {
    const binDirectory = folderWith(t, { pg_dump: '17.2' });
    assert.deepEqual(await findTool('pg_dump', { major: 15, binDirectory }), {
      path: join(binDirectory, 'pg_dump'),
      version: 170002,
      major: 17,
    });
  });

  test('an older one does not, and the error names both versions and the package', async (t) => {
    const binDirectory = folderWith(t, { pg_dump: '14.9' });
    await assert.rejects(findTool('pg_dump', { major: 18, binDirectory }), (error) => {
      assert.ok(hasCode(error, 'tool-older-than-server'));
      assert.match(error.message, /PostgreSQL 18.*14\.9/);
      assert.match(error.hint, /postgresql-client-18/);
      return true;
    });
  });

  test('what runs a data directory must be of the same version', async (t) => {
    const binDirectory = folderWith(t, { pg_ctl: '17.2' });
    const found = findTool('pg_ctl', { major: 15, binDirectory, sameMajor: true });
    await assert.rejects(found, (error) => hasCode(error, 'tool-missing') && /17\.2/.test(error.message));
  });

  test('one that is not there is missing', async (t) => {
    const binDirectory = folderWith(t, {});
    await assert.rejects(findTool('pg_dump', { major: 15, binDirectory }), (error) =>
      hasCode(error, 'tool-missing'),
    );
  });

  test("the server's own version is found without being told where", {
    skip: missingServer('debian'),
  }, async () => {
    const major = Number(
      dirname(binFolder('debian') ?? '')
        .split('/')
        .at(-1),
    );
    assert.equal((await findTool('pg_dump', { major, binDirectory: null })).major, major);
  });
});

describe('the environment of programs', () => {
  test('logs in by a private file that is gone afterwards', { skip: missingServer('debian') }, async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.destroy());
    writeFileSync(
      join(cluster.data, 'pg_hba.conf'),
      'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
    );
    await cluster.start();
    const password = 'a:b\\c#d';
    await cluster.sql(`create role app login password '${password}'`);
    const uri = cluster.urlOf({ user: 'app', host: '127.0.0.1', password });
    const settings = await connectionSettings(uri, { password: null, env: {} });
    const accounts = [null, asServerAccount()].filter((account) => account === null || 'uid' in account);
    for (const account of accounts as ({ uid: number; gid: number } | null)[]) {
      let passfile = '';
      const name = await withToolEnvironment(
        settings,
        async (env, args) => {
          passfile = env.PGPASSFILE ?? '';
          assert.equal(statSync(passfile).mode & 0o777, 0o600);
          assert.equal(statSync(dirname(passfile)).mode & 0o777, 0o700);
          assert.ok(![...Object.values(env), ...args].some((text) => text.includes(password)));
          const result = await runToolToSuccess({
            program: join(cluster.bin, 'psql'),
            args: [...args, '-XAtc', 'select current_user'],
            env,
            cwd: '/',
            ...(account && { account }),
          });
          return result.stdout.toString().trim();
        },
        account,
      );
      assert.equal(name, 'app');
      assert.ok(!existsSync(dirname(passfile)));
    }
  });

  test('is gone when the work fails', async () => {
    const settings = await connectionSettings('postgresql://u:p@h/d?sslpassword=q', {
      password: null,
      env: {},
    });
    let folder = '';
    const failing = withToolEnvironment(settings, async (env) => {
      folder = dirname(env.PGPASSFILE ?? '');
      assert.match(readFileSync(env.PGSERVICEFILE ?? '', 'utf8'), /^sslpassword=q$/m);
      throw new Error('failed');
    });
    await assert.rejects(failing, /failed/);
    assert.ok(folder !== '' && !existsSync(folder));
  });

  test('needs no file where there is no password', async () => {
    const settings = await connectionSettings('postgresql://u@h/d', {
      password: null,
      env: { HOME: '/nonexistent' },
    });
    await withToolEnvironment(settings, async (env) => assert.ok(!existsSync(env.PGPASSFILE ?? '')));
  });
});
