import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { json, lifeboat, type Program, run, succeed, systemRestic } from '../programs.ts';
import { randomOf, seed } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, makeBucket } from './place.ts';
import { type RequestProxy, startProxy } from './proxy.ts';

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-interop-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

/** Files of all sizes in several folders. */
function makeFiles(folder: string): void {
  const random = randomOf('s3 interop', seed);
  for (let n = 0; n < 60; n++) {
    const parent = join(folder, `folder ${n % 12}`);
    mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file ${n}`), random.bytes(random.below(n % 10 === 0 ? 3_000_000 : 20_000)));
  }
}

function assertSame(one: string, other: string): void {
  const { status, stdout } = spawnSync('diff', ['-r', one, other], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
}

describe('repositories on S3', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const env = { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey };
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const files = join(scratch, 'files');
  makeFiles(files);
  const at = (path: string) => ({ repository: `s3:${gateway.endpoint}/${bucket}/${path}`, env });
  const restored = (name: string): string => join(scratch, name, files);

  const takeTurns: readonly (readonly [Program, Program])[] = [
    [lifeboat(), systemRestic],
    [systemRestic, lifeboat()],
  ];
  for (const [writer, reader] of takeTurns)
    test(`made by ${writer.name} are read, added to, pruned and restored by ${reader.name}`, async () => {
      const place = at(`by ${writer.name}`.replace(' ', '-'));
      await succeed(writer, ['init'], place);
      await succeed(writer, ['backup', files], place);
      await succeed(reader, ['check', '--read-data'], place);
      await succeed(reader, ['backup', files], place);
      const target = join(scratch, `to ${reader.name}`);
      await succeed(reader, ['restore', 'latest', '--target', target], place);
      assertSame(files, join(target, files));
      await succeed(reader, ['forget', '--keep-last', '1', '--prune'], place);
      await succeed(writer, ['check', '--read-data'], place);
      assert.equal((await json<unknown[]>(writer, ['snapshots'], place)).length, 1);
    });

  test('are copied from and to folders', async () => {
    const local = join(scratch, 'local');
    const remote = at('copied');
    const back = join(scratch, 'back');
    await succeed(lifeboat(), ['init'], { repository: local });
    await succeed(lifeboat(), ['backup', files], { repository: local });
    await succeed(lifeboat(), ['init'], remote);
    await succeed(lifeboat(), ['copy'], { ...remote, from: local });
    await succeed(systemRestic, ['check', '--read-data'], remote);
    await succeed(lifeboat(), ['init'], { repository: back });
    await succeed(lifeboat(), ['copy'], { repository: back, env, from: remote.repository });
    await succeed(lifeboat(), ['restore', 'latest', '--target', join(scratch, 'copied')], {
      repository: back,
    });
    assertSame(files, restored('copied'));
  });

  test('are named by a configuration, with their options', async () => {
    const configuration = join(scratch, 'lifeboat.yaml');
    const { endpoint } = gateway;
    writeFileSync(
      configuration,
      `version: 1
repositories:
  offsite:
    s3: { endpoint: "${endpoint}", bucket: ${bucket}, prefix: named, storage-class: standard_ia, connections: 3 }
    password: env:REPOSITORY_KEY
`,
    );
    const named = {
      repository: 'offsite',
      env: { ...env, REPOSITORY_KEY: 'x', LIFEBOAT_CONFIG: configuration, RESTIC_PASSWORD: '' },
    };
    await succeed(lifeboat(), ['init'], named);
    await succeed(lifeboat(), ['backup', files], named);
    const [pack] = await connectTo(gateway, `${bucket}/named`).list('data/');
    assert.ok(pack);
    const shown = await succeed(lifeboat(), ['config', 'show'], named);
    assert.match(shown, new RegExp(`path: s3:${endpoint}/${bucket}/named`));
    assert.match(shown, /s3\.storage-class: standard_ia/);
    assert.ok(!shown.includes(gateway.secretKey));
  });

  test('are reached with credentials of a profile', async () => {
    const credentials = join(scratch, 'credentials');
    const { accessKey, secretKey } = gateway;
    writeFileSync(
      credentials,
      `[backup]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`,
    );
    const files = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: '/nonexistent' };
    const place = at('by-lifeboat').repository;
    for (const args of [['--option', 's3.profile=backup'], []]) {
      const profile = args.length === 0 ? { AWS_PROFILE: 'backup' } : {};
      await succeed(lifeboat(), ['snapshots', ...args], {
        repository: place,
        env: { ...files, ...profile } as Record<string, string>,
      });
    }
  });

  test('are reached by TLS where the authority is known, and by nothing less unless told', async (t) => {
    const [key, cert] = [join(scratch, 'key.pem'), join(scratch, 'cert.pem')];
    const { status } = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key],
    ]);
    assert.equal(status, 0);
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    const proxy = await startProxy(gateway.endpoint, { tls });
    t.after(() => proxy.close());
    const place = { repository: `s3:${proxy.endpoint}/${bucket}/by-lifeboat`, env };
    assert.match(proxy.endpoint, /^https:/);
    const { stderr } = await run(lifeboat(), ['snapshots'], place);
    assert.match(stderr, /hint: name the certificate of the storage's authority with --cacert/);
    await succeed(lifeboat(), ['snapshots', '--cacert', cert], place);
    await succeed(lifeboat(), ['snapshots'], { ...place, env: { ...env, LIFEBOAT_CACERT: cert } });
    await succeed(lifeboat(), ['snapshots', '--insecure-tls'], place);
    await succeed(systemRestic, ['snapshots', '--cacert', cert], place);
  });

  describe('cost', () => {
    /** How many requests each command of a program makes. */
    async function requestsOf(program: Program, proxy: RequestProxy): Promise<Record<string, number>> {
      const path = `counted-${program.name}`;
      await createCheapRepository(connectTo(gateway!, `${bucket}/${path}`));
      const place = {
        repository: `s3:${proxy.endpoint}/${bucket}/${path}`,
        env: { ...env, AWS_DEFAULT_REGION: 'us-east-1' },
      };
      const counts: Record<string, number> = {};
      for (const [name, args] of [
        ['first backup', ['backup', files]],
        ['unchanged backup', ['backup', files]],
        ['restore', ['restore', 'latest', '--target', join(scratch, `counted ${program.name}`)]],
        ['check', ['check']],
        ['snapshots', ['snapshots']],
        ['prune', ['forget', '--keep-last', '1', '--prune']],
      ] as const) {
        const before = proxy.seen.length;
        await succeed(program, args, place);
        counts[name] = proxy.seen.length - before;
      }
      return counts;
    }

    test('no more than a fifth of requests more than with restic', async (t) => {
      const proxy = await startProxy(gateway.endpoint);
      t.after(() => proxy.close());
      const ours = await requestsOf(lifeboat(), proxy);
      const theirs = await requestsOf(systemRestic, proxy);
      const over = Object.entries(ours).filter(([name, count]) => count > 1.2 * theirs[name]!);
      assert.deepEqual(over, [], `${JSON.stringify(ours)} against ${JSON.stringify(theirs)}`);
    });
  });
});
