import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { azuriteMissing, startAzurite } from '../azure/azurite.ts';
import { connectTo as connectToAzure } from '../azure/place.ts';
import { startRecorded } from '../gcs/recorded.ts';
import { ended, json, lifeboat, run, succeed } from '../programs.ts';
import { exchangeBackups, makeFiles } from './exchange.ts';
import { makeCertificate, startTunnel } from './tunnel.ts';

const scratch = mkdtempSync(join(tmpdir(), 'remote-clouds-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const files = makeFiles(join(scratch, 'files'));
const tls = makeCertificate(scratch, ['*.blob.core.windows.net', 'oauth2.googleapis.com']);
const noTls = tls === null && 'needs openssl';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'storage.md'), 'utf8');

/** The blocks of one language in a section of docs/storage.md, with its examples made real. */
function blocksOf(
  heading: string,
  language: string,
  values: readonly (readonly [example: string, real: string])[],
): string {
  const section = page.split(new RegExp(`^## ${heading}$`, 'm'))[1]?.split(/^## /m)[0] ?? '';
  const blocks = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))];
  assert.ok(blocks.length > 0, heading);
  return values.reduce(
    (whole, [example, real]) => {
      assert.ok(whole.includes(example), `${heading} has no ${example}`);
      return whole.replaceAll(example, real);
    },
    blocks.map(([, body]) => body).join(''),
  );
}

/** Runs the commands of the page, then names the same place by its configuration. */
async function followPage(script: string, configuration: string, env: Record<string, string>): Promise<void> {
  const bin = join(scratch, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'lifeboat'), `#!/bin/sh\nexec '${lifeboat().path}' --no-cache "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(join(scratch, 'repo.key'), 'of the page\n', { mode: 0o600 });
  writeFileSync(join(scratch, 'page.yaml'), configuration);
  const more = `${script}\nunset LIFEBOAT_PASSWORD\nlifeboat --config ${scratch}/page.yaml -r offsite snapshots`;
  const { status, stdout, stderr } = await ended(
    spawn('/bin/sh', ['-eu', '-c', more], {
      env: { PATH: `${bin}:${process.env.PATH}`, HOME: scratch, LIFEBOAT_PASSWORD: 'of the page', ...env },
    }),
  );
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /no errors were found/);
  assert.match(stdout, /1 snapshots/);
}

describe('repositories on Azure', { skip: azuriteMissing || noTls }, async () => {
  if (azuriteMissing || !tls) return;
  const server = await startAzurite(tls);
  after(() => server.stop());
  const tunnel = await startTunnel({ [`${server.account}.blob.core.windows.net`]: server.port });
  after(() => tunnel.stop());
  const container = server.newContainer();
  const env = {
    HTTPS_PROXY: tunnel.url,
    LIFEBOAT_CACERT: tls.cert,
    AZURE_ACCOUNT_NAME: server.account,
    AZURE_ACCOUNT_KEY: server.key,
  };

  test('are exchanged with restic, where both find them by the same location and variables', async () => {
    const folder = join(scratch, 'exchanged');
    mkdirSync(folder);
    const repository = `azure:${container}:/by/lifeboat`;
    await exchangeBackups({ repository, env, resticOptions: ['--cacert', tls.cert] }, 'lifeboat', folder);
    assert.ok(tunnel.asked.every((host) => host === `${server.account}.blob.core.windows.net:443`));
  });

  test('are named in a configuration, which refers to the key and never shows it', async () => {
    writeFileSync(join(scratch, 'azure.key'), `${server.key}\n`, { mode: 0o600 });
    writeFileSync(
      join(scratch, 'azure.yaml'),
      `version: 1
repositories:
  offsite:
    azure:
      account: ${server.account}
      container: ${container}
      prefix: named
      account-key: file:azure.key
      access-tier: Cool
    password: env:RESTIC_PASSWORD
`,
    );
    const place = {
      repository: 'offsite',
      env: {
        HTTPS_PROXY: tunnel.url,
        LIFEBOAT_CACERT: tls.cert,
        LIFEBOAT_CONFIG: join(scratch, 'azure.yaml'),
      },
    };
    await succeed(lifeboat(), ['init'], place);
    await succeed(lifeboat(), ['backup', files], place);
    const shown = await succeed(lifeboat(), ['config', 'show'], place);
    assert.match(shown, new RegExp(`path: azure:${container}:/named`));
    assert.match(shown, /azure\.access-tier: Cool/);
    assert.ok(!shown.includes(server.key));
  });

  test('are made and used as docs/storage.md tells', async () => {
    writeFileSync(join(scratch, 'azure.key'), server.key, { mode: 0o600 });
    const values = [
      ['acmebackups', server.account],
      ['backups:/app', `${container}:/app`],
      ["'of the storage account'", server.key],
      ['/srv/app', files],
    ] as const;
    const inConfiguration = [
      ['acmebackups', server.account],
      ['container: backups', `container: ${container}`],
      ['/etc/lifeboat', scratch],
    ] as const;
    const { HTTPS_PROXY, LIFEBOAT_CACERT } = env;
    await followPage(blocksOf('Azure', 'sh', values), blocksOf('Azure', 'yaml', inConfiguration), {
      HTTPS_PROXY,
      LIFEBOAT_CACERT,
    });
  });

  test('say what to do where something is wrong, and show no credentials', async () => {
    const repository = `azure:${container}:/by/lifeboat`;
    const cases: readonly (readonly [Record<string, string>, string, RegExp])[] = [
      [{ AZURE_ACCOUNT_NAME: '' }, repository, /set AZURE_ACCOUNT_NAME/],
      [{ AZURE_ACCOUNT_KEY: server.key.replace(/.../, 'AAA') }, repository, /check AZURE_ACCOUNT_KEY/],
      [{ AZURE_ACCOUNT_KEY: '', AZURE_ACCOUNT_SAS: 'sv=1&sig=c2VjcmV0' }, repository, /AZURE_ACCOUNT_SAS/],
      [{ LIFEBOAT_CACERT: '' }, repository, /--cacert FILE/],
      [{}, 'azure:absent:/', /no such container/],
      [{}, 'azure:absent', /write azure:CONTAINER:\/PREFIX/],
    ];
    for (const [wrong, place, hint] of cases) {
      const { status, stdout, stderr } = await run(lifeboat(), ['snapshots'], {
        repository: place,
        env: { ...env, ...wrong },
      });
      assert.notEqual(status, 0);
      assert.match(stderr, hint);
      for (const secret of [server.key, wrong.AZURE_ACCOUNT_KEY, 'c2VjcmV0'])
        assert.ok(!secret || !(stdout + stderr).includes(secret), stderr);
    }
    assert.ok(
      (await connectToAzure({ ...server }, `${container}:/by/lifeboat`, tlsOf()).list('keys/')).length > 0,
    );
  });

  const tlsOf = () => ({ authorities: [readFileSync(tls.cert, 'utf8')], insecureTls: true });
});

describe('repositories on Google Cloud Storage', () => {
  test('are used with the token of a service account, which is got with its key', {
    skip: noTls,
  }, async (t) => {
    const storage = await startRecorded();
    t.after(() => storage.stop());
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const account = {
      type: 'service_account',
      client_email: 'job@example.iam.gserviceaccount.com',
      private_key_id: 'id-of-the-key',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    const keyFile = join(scratch, 'service-account.json');
    writeFileSync(keyFile, JSON.stringify(account));

    // A fake of Google's server of tokens: nothing of it can be had here.
    const assertions: string[] = [];
    const tokens = createServer(
      { key: readFileSync(tls!.key), cert: readFileSync(tls!.cert) },
      (incoming, outgoing) => {
        void text(incoming).then((body) => {
          assertions.push(new URLSearchParams(body).get('assertion') ?? '');
          outgoing.writeHead(200, { 'content-type': 'application/json' });
          outgoing.end('{"access_token":"token-of-the-account","expires_in":3600,"token_type":"Bearer"}');
        });
      },
    ).listen(0, '127.0.0.1');
    await once(tokens, 'listening');
    t.after(() => tokens.close());
    const tunnel = await startTunnel({ 'oauth2.googleapis.com': (tokens.address() as AddressInfo).port });
    t.after(() => tunnel.stop());

    const option = ['-o', `gs.endpoint=${storage.endpoint}`];
    const env = { HTTPS_PROXY: tunnel.url, LIFEBOAT_CACERT: tls!.cert, GOOGLE_PROJECT_ID: 'a-project' };
    for (const [bucket, more, options] of [
      ['by-variable', { GOOGLE_APPLICATION_CREDENTIALS: keyFile }, option],
      ['by-option', {}, [...option, '-o', `gs.credentials=${keyFile}`]],
    ] as const) {
      const place = { repository: `gs:${bucket}:/app`, env: { ...env, ...more } as Record<string, string> };
      await succeed(lifeboat(), [...options, 'init'], place);
      const before = assertions.length;
      await succeed(lifeboat(), [...options, 'backup', files], place);
      assert.equal(assertions.length, before + 1, 'one token for all requests of a command');
      const claims = JSON.parse(
        Buffer.from(assertions.at(-1)!.split('.')[1] ?? '', 'base64url').toString(),
      ) as { iss: string; scope: string };
      assert.equal(claims.iss, account.client_email);
      assert.match(claims.scope, /devstorage\.read_write/);
      assert.ok((storage.buckets.get(bucket)?.size ?? 0) > 4);
    }
  });

  test('are used by a token that is given, and on an emulator without any', async (t) => {
    const storage = await startRecorded();
    t.after(() => storage.stop());
    const env = {
      STORAGE_EMULATOR_HOST: storage.endpoint.replace('http://', ''),
      GOOGLE_PROJECT_ID: 'a-project',
    };
    const place = { repository: 'gs:emulated:/app', env };
    await succeed(lifeboat(), ['init'], place);
    const given = { ...place, env: { ...env, GOOGLE_ACCESS_TOKEN: 'token-of-somebody' } };
    await succeed(lifeboat(), ['backup', files], given);
    assert.equal((await json<unknown[]>(lifeboat(), ['snapshots'], place)).length, 1);
    const { stdout, stderr, status } = await run(lifeboat(), ['snapshots'], {
      ...given,
      repository: 'gs:absent:/app',
    });
    assert.notEqual(status, 0);
    assert.ok(!(stdout + stderr).includes('token-of-somebody'));
  });

  test('are made and used as docs/storage.md tells, on an emulator', async (t) => {
    const storage = await startRecorded();
    t.after(() => storage.stop());
    await followPage(
      blocksOf('Google Cloud Storage', 'sh', [['/srv/app', files]]),
      // The emulator wants no credentials, and a file that is named must be there.
      blocksOf('Google Cloud Storage', 'yaml', [
        [', credentials: /etc/lifeboat/gcs.json', ''],
        ['/etc/lifeboat', scratch],
      ]),
      { STORAGE_EMULATOR_HOST: storage.endpoint },
    );
    assert.ok(storage.buckets.get('acme-backups')?.has('app/config'));
  });

  test('say what to do where there are no credentials', async () => {
    const { stderr } = await run(lifeboat(), ['snapshots'], {
      repository: 'gs:bucket:/app',
      env: { GOOGLE_APPLICATION_CREDENTIALS: join(scratch, 'absent.json') },
    });
    assert.match(stderr, /absent\.json/);
    assert.match(stderr, /hint: .*GOOGLE_APPLICATION_CREDENTIALS/);
  });
});
