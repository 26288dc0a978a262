import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, ended, lifeboat, run, start, succeed, systemRestic } from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, makeBucket } from './place.ts';
import { type Fault, type RequestProxy, type SeenRequest, startProxy } from './proxy.ts';

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-bad-days-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

describe('a bad day on S3', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const keys = { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey };
  const sessionToken = 'a-session-token-that-nobody-may-see';
  const secrets = [gateway.secretKey, sessionToken];
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const files = join(scratch, 'files');
  mkdirSync(files);
  for (let n = 0; n < 6; n++) writeFileSync(join(files, `random ${n}`), randomBytes(3_000_000));

  let count = 0;
  const newPath = async (): Promise<string> => {
    const path = `${bucket}/${++count}`;
    await createCheapRepository(connectTo(gateway, path));
    return path;
  };

  /** Whatever is printed, the credentials are not. */
  function withoutSecrets(result: Ended): Ended {
    for (const secret of secrets)
      assert.ok(
        !`${result.stdout}${result.stderr}`.includes(secret),
        `a secret was printed: ${result.stderr}`,
      );
    return result;
  }
  const lifeboatAt = async (
    repository: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = keys,
  ): Promise<Ended> =>
    withoutSecrets(await run(lifeboat(), args, { repository, env: { LIFEBOAT_DEBUG: '1', ...env } }));
  const succeeds = async (repository: string, ...args: string[]): Promise<Ended> => {
    const result = await lifeboatAt(repository, args);
    assert.equal(result.status, 0, result.stderr);
    return result;
  };
  /** What stock restic finds, straight at the gateway. */
  const soundToRestic = async (path: string): Promise<void> => {
    const repository = `s3:${gateway.endpoint}/${path}`;
    await succeed(systemRestic, ['check', '--read-data'], { repository, env: keys });
  };
  async function throughProxy(
    fault: (seen: SeenRequest) => Fault,
    work: (repository: string, path: string, proxy: RequestProxy) => Promise<void>,
  ): Promise<void> {
    const path = await newPath();
    const proxy = await startProxy(gateway!.endpoint, { fault });
    try {
      await work(`s3:${proxy.endpoint}/${path}`, path, proxy);
    } finally {
      await proxy.close();
    }
  }
  const isPack = ({ method, url }: SeenRequest, verb: string): boolean =>
    method === verb && url.includes('/data/');

  test('of a gateway that is stopped in the middle of a backup, and comes back', async () => {
    const second = await gateway.second();
    try {
      const path = await newPath();
      const args = ['backup', files, '--pack-size', '4', '--limit-upload', '4000'];
      const child = start(lifeboat(), args, { repository: `s3:${second.endpoint}/${path}`, env: keys });
      const result = ended(child);
      const packs = () => connectTo(gateway, path).list('data/');
      while ((await packs()).length === 0 && child.exitCode === null) await sleep(50);
      await second.stop();
      await sleep(700);
      assert.equal(child.exitCode, null, 'it waits');
      await second.start();
      const { status, stderr } = withoutSecrets(await result);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /; trying again in \d/);
      await soundToRestic(path);
    } finally {
      await second.stop();
    }
  });

  test('of a gateway that asks for fewer requests', async () => {
    let n = 0;
    const everyThird = (): Fault =>
      ++n % 3 === 0 ? { kind: 'answer', status: 503, code: 'SlowDown' } : null;
    await throughProxy(everyThird, async (repository, path) => {
      const { stderr } = await succeeds(repository, 'backup', files);
      assert.match(stderr, /it asks for fewer requests; trying again/);
      await soundToRestic(path);
    });
  });

  test('of a gateway that asks for fewer requests for too long', async () => {
    const always = (): Fault => ({ kind: 'answer', status: 503, code: 'SlowDown' });
    await throughProxy(always, async (repository) => {
      const result = await lifeboatAt(repository, ['backup', files, '-o', 's3.retries=2']);
      assert.equal(result.status, 1);
      assert.match(result.stderr, /hint: .*s3\.connections=2/);
    });
  });

  test('of connections that break in the middle of a PUT and of a GET', async () => {
    const broken = new Set<string>();
    const firstTime = (seen: SeenRequest, fault: Fault): Fault => {
      const name = `${seen.method} ${seen.url}`;
      if (broken.has(name)) return null;
      broken.add(name);
      return fault;
    };
    const fault = (seen: SeenRequest): Fault => {
      if (isPack(seen, 'PUT')) return firstTime(seen, { kind: 'reset-request', afterBytes: 500_000 });
      if (isPack(seen, 'GET')) return firstTime(seen, { kind: 'reset-answer', afterBytes: 70_000 });
      if (seen.url.includes('/snapshots/')) return firstTime(seen, { kind: 'reset-answer', afterBytes: 0 });
      return null;
    };
    await throughProxy(fault, async (repository, path) => {
      await succeeds(repository, 'backup', files);
      await soundToRestic(path);
      const target = join(scratch, 'restored');
      await succeeds(repository, 'restore', 'latest', '--target', target);
      for (const name of readdirSync(files))
        assert.ok(readFileSync(join(target, files, name)).equals(readFileSync(join(files, name))), name);
      assert.ok([...broken].some((name) => name.startsWith('GET') && name.includes('/data/')));
      const { stdout } = await succeeds(repository, 'snapshots', '--json');
      assert.equal(
        (JSON.parse(stdout) as unknown[]).length,
        1,
        'the snapshot whose answer was lost is there once',
      );
    });
  });

  test('of a gateway that says nothing any more', async () => {
    let silent = 0;
    const fault = (seen: SeenRequest): Fault =>
      isPack(seen, 'PUT') && silent++ === 0 ? { kind: 'silence' } : null;
    await throughProxy(fault, async (repository, path) => {
      await succeeds(repository, 'backup', files, '--stuck-request-timeout', '1s');
      await soundToRestic(path);
    });
  });

  test('of a gateway whose lists of index files are stale', async () => {
    let stale = false;
    const withoutIndex = (content: string): string => content.replace(/<Contents>[\s\S]*<\/Contents>/, '');
    const fault = ({ url }: SeenRequest): Fault =>
      stale && /prefix=[^&]*index%2F/.test(url) ? { kind: 'rewrite', rewrite: withoutIndex } : null;
    await throughProxy(fault, async (repository, path) => {
      await succeeds(repository, 'backup', files);
      stale = true;
      await lifeboatAt(repository, ['backup', files]);
      await soundToRestic(path);
      const target = join(scratch, 'stale');
      assert.notEqual((await lifeboatAt(repository, ['restore', 'latest', '--target', target])).status, 0);
      assert.notEqual((await lifeboatAt(repository, ['prune'])).status, 0);
      await soundToRestic(path);
      stale = false;
      await succeeds(repository, 'restore', 'latest', '--target', target);
      await succeeds(repository, 'prune');
      await soundToRestic(path);
    });
  });

  test('that is interrupted by the user while the gateway is away', async () => {
    await throughProxy(
      () => null,
      async (repository, _path, proxy) => {
        const child = start(lifeboat(), ['backup', files, '--limit-upload', '2000'], {
          repository,
          env: keys,
        });
        const result = ended(child);
        while (!proxy.seen.some((seen) => isPack(seen, 'PUT')) && child.exitCode === null) await sleep(20);
        await proxy.interrupt();
        await sleep(300);
        const started = performance.now();
        child.kill('SIGINT');
        assert.equal((await result).status, 130);
        assert.ok(performance.now() - started < 5000);
      },
    );
  });

  const repository = `s3:${gateway.endpoint}/${await newPath()}`;
  const hourAhead =
    'const D=Date;globalThis.Date=class extends D{constructor(...a){if(a.length)super(...a);else super(D.now()+36e5)}static now(){return D.now()+36e5}}';

  /** Name, what differs, and what is said. */
  const refusals: readonly (readonly [
    string,
    { at?: string; env?: Record<string, string>; args?: string[] },
    RegExp,
  ])[] = [
    [
      'with a wrong clock',
      { env: { ...keys, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hourAhead)}` } },
      /clock[\s\S]*hint: set the clock/,
    ],
    [
      'with a wrong secret',
      { env: { ...keys, AWS_SECRET_ACCESS_KEY: `${gateway.secretKey}x` } },
      /the secret does not belong to the access key[\s\S]*hint: check the access key/,
    ],
    [
      'with an unknown access key',
      { env: { ...keys, AWS_ACCESS_KEY_ID: 'AKIDUNKNOWN' } },
      /the access key is not known there/,
    ],
    ['with half of the credentials', { env: { AWS_ACCESS_KEY_ID: 'AKID' } }, /AWS_SECRET_ACCESS_KEY is not/],
    ['with no credentials', { env: { AWS_EC2_METADATA_DISABLED: 'true' } }, /hint: check the access key/],
    [
      'without a bucket',
      { at: `s3:${gateway.endpoint}/${gateway.newBucket()}/x` },
      /no such bucket[\s\S]*hint: check the name of the bucket/,
    ],
    [
      'without a repository in the bucket',
      { at: `s3:${gateway.endpoint}/${bucket}/nothing` },
      /there is no repository at/,
    ],
    ['without permission', { args: ['-o', 's3.unsafe-anonymous-auth=true'], env: {} }, /AccessDenied/],
    [
      'with a gateway that is down',
      { at: 's3:http://127.0.0.1:9/bucket', args: ['-o', 's3.retry-for=1s'] },
      /refused[\s\S]*hint: check the network/,
    ],
    [
      'with a name that nobody knows',
      { at: 's3:https://nowhere.invalid/bucket', args: ['-o', 's3.retry-for=1s'] },
      /name of the host/,
    ],
    [
      'with a gateway that speaks no TLS',
      { at: `${repository.replace('http:', 'https:')}`, args: ['-o', 's3.retry-for=1s'] },
      /Fatal/,
    ],
  ];
  for (const [name, { at = repository, env = keys, args = [] }, said] of refusals)
    test(`${name} ends soon, and says what to do`, async () => {
      const started = performance.now();
      const result = await lifeboatAt(at, ['snapshots', ...args], env);
      assert.notEqual(result.status, 0);
      assert.match(result.stderr, said);
      assert.ok(performance.now() - started < 15_000);
      const inJson = await lifeboatAt(at, ['--json', 'snapshots', ...args], { ...env, LIFEBOAT_DEBUG: '' });
      const { message, hint } = JSON.parse(inJson.stderr.trim().split('\n').at(-1)!) as Record<
        string,
        string
      >;
      assert.ok(message && hint);
    });

  test('with a session token that has expired ends soon, and says what to do', async () => {
    const expired = (): Fault => ({ kind: 'answer', status: 400, code: 'ExpiredToken' });
    await throughProxy(expired, async (at, _path, proxy) => {
      const result = await lifeboatAt(at, ['snapshots'], { ...keys, AWS_SESSION_TOKEN: sessionToken });
      assert.match(result.stderr, /the session token has expired[\s\S]*hint: .*whether they have expired/);
      assert.equal(proxy.seen[0]!.headers['x-amz-security-token'], sessionToken);
    });
  });

  test('of a process that is killed in the middle of an object in parts', async () => {
    const path = `${bucket}/killed`;
    const silence = ({ url }: SeenRequest): Fault =>
      url.includes('partNumber=3') ? { kind: 'silence' } : null;
    const proxy = await startProxy(gateway.endpoint, { fault: silence });
    const script = `
      const { connectTo } = await import(${JSON.stringify(join(import.meta.dirname, 'place.ts'))});
      const storage = connectTo(${JSON.stringify({ ...gateway, endpoint: proxy.endpoint })}, ${JSON.stringify(path)}, { multipartFromBytes: 5_000_000 });
      await storage.save('data/aa/killed', [Buffer.alloc(40_000_000)]);`;
    try {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
      while (!proxy.seen.some(({ url }) => url.includes('partNumber=3')) && child.exitCode === null)
        await sleep(20);
      child.kill('SIGKILL');
      await once(child, 'exit');
    } finally {
      await proxy.close();
    }
    const storage = connectTo(gateway, path);
    assert.equal(await storage.size('data/aa/killed'), null);
    assert.deepEqual(await storage.list('data/'), []);
    assert.equal(await storage.sweep!(0), 1);
    assert.equal(await storage.sweep!(0), 0);
  });

  test('shows no credentials in the list of processes', async () => {
    await throughProxy(
      () => null,
      async (at, _path, proxy) => {
        const child = start(lifeboat(), ['backup', files, '--limit-upload', '4000'], {
          repository: at,
          env: keys,
        });
        const result = ended(child);
        while (!proxy.seen.some((seen) => isPack(seen, 'PUT')) && child.exitCode === null) await sleep(20);
        const commandLines = readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map((pid) => {
            try {
              return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
            } catch {
              return ''; // it ended meanwhile
            }
          })
          // The gateway was told of them in this way, by this test.
          .filter((line) => line.includes('lifeboat') && !line.includes('radosgw-admin'));
        assert.ok(commandLines.some((line) => line.includes('--limit-upload')));
        for (const line of commandLines) assert.ok(!line.includes(gateway!.secretKey));
        assert.equal((await result).status, 0);
      },
    );
  });
});
