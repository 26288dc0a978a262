import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ObjectVersion,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { type Cluster, createCluster } from '../postgres/cluster.ts';
import { missingServer } from '../postgres/programs.ts';
import { lifeboat, password } from '../programs.ts';
import { randomOf } from '../random.ts';
import { type Gateway, gatewayMissing, joinGateway } from './gateway.ts';
import { makeBucket, rawClient } from './place.ts';

/**
 * The disaster that copies elsewhere are for, from the first backup to the last restore: somebody takes over the
 * host, deletes the local repository, the database and the files, and then turns to the bucket with the credentials
 * of the backup job. The bucket is a real one with Object Lock, on Ceph's gateway.
 */
describe('a disaster on one host', { skip: gatewayMissing || missingServer('debian') }, () => {
  const host = mkdtempSync(join(tmpdir(), 'disaster-'));
  const elsewhere = mkdtempSync(join(tmpdir(), 'another-host-'));
  for (const folder of [host, elsewhere]) chmodSync(folder, 0o755); // the servers' account goes through
  const uploads = join(host, 'uploads');
  let gateway: Gateway;
  let cluster: Cluster;
  let bucket: string;
  let credentials: Record<string, string>;
  const attackBegan = (): string => new Date(attackMs).toISOString();
  let attackMs = 0;

  const place = (): string => `s3:${gateway.endpoint}/${bucket}/host`;

  interface Outcome {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }

  function run(program: string, folder: string, args: readonly string[]): Outcome {
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      XDG_CACHE_HOME: join(folder, 'cache'),
      XDG_STATE_HOME: join(folder, 'state'),
      DATABASE_URL: cluster.url,
      RESTIC_PASSWORD: password,
      ...(program === 'restic' ? { RESTIC_REPOSITORY: place() } : {}),
      ...credentials,
    };
    return spawnSync(program, args, { env, cwd: folder, encoding: 'utf8', timeout: 120_000 });
  }

  function succeed(program: string, folder: string, ...args: string[]): string {
    const { status, stdout, stderr } = run(program, folder, args);
    assert.equal(status, 0, `${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** What the file on either host says: both repositories, or the bucket, which is all that is left. */
  function configure(folder: string, repositories: Record<string, unknown>): void {
    writeFileSync(join(folder, 'repository.key'), password, { mode: 0o600 });
    const sources = {
      uploads: { type: 'files', paths: [uploads] },
      'app-db': { type: 'postgres', url: 'env:DATABASE_URL', method: 'physical' },
    };
    // JSON is YAML.
    writeFileSync(join(folder, 'lifeboat.yaml'), JSON.stringify({ version: 1, repositories, sources }));
  }

  const offsite = () => ({
    s3: { bucket, prefix: 'host', endpoint: gateway.endpoint },
    immutability: { mode: 'compliance', for: '2h' },
    password: 'file:repository.key',
  });

  before(async () => {
    gateway = await joinGateway();
    credentials = { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey };
    bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    mkdirSync(join(uploads, 'images'), { recursive: true });
    for (let n = 0; n < 40; n++)
      writeFileSync(join(uploads, 'images', `${n}.jpg`), randomOf(`image ${n}`).bytes(30_000));
    writeFileSync(join(uploads, 'large.bin'), randomOf('large').bytes(5_000_000));
    cluster = await createCluster();
    await cluster.start();
    await cluster.sql(
      'create table orders as select n as id, n * 7 as amount from generate_series(1, 5000) n',
    );
    configure(host, {
      local: { path: 'repository', password: 'file:repository.key' },
      offsite: offsite(),
    });
  });
  after(async () => {
    await cluster?.destroy();
    gateway?.release();
    for (const folder of [host, elsewhere]) rmSync(folder, { recursive: true, force: true });
  });

  const program = lifeboat().path;
  const truth = "select count(*) || ' ' || sum(amount) from orders";
  const expected = '5000 87517500';

  async function versionsInBucket(): Promise<{ versions: ObjectVersion[]; markers: number }> {
    const client = rawClient(gateway);
    const { Versions = [], DeleteMarkers = [] } = await client.send(
      new ListObjectVersionsCommand({ Bucket: bucket }),
    );
    client.destroy();
    return { versions: Versions, markers: DeleteMarkers.length };
  }

  function assertUploadsBack(folder: string): void {
    const { status, stdout } = spawnSync('diff', ['-r', folder, join(elsewhere, 'truth')], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
    assert.equal(readdirSync(join(folder, 'images')).length, 40);
  }

  async function assertDatabaseBack(data: string): Promise<void> {
    const restored = await createCluster({ data });
    try {
      await restored.start();
      assert.equal(await restored.sql(truth), expected);
    } finally {
      await restored.destroy();
    }
  }

  test('begins with backups to a disk and to a bucket', () => {
    for (const name of ['local', 'offsite']) succeed(program, host, 'init', '-r', name);
    succeed(program, host, 'backup', '--source', 'uploads');
    writeFileSync(join(uploads, 'new.txt'), 'the newest upload');
    succeed(program, host, 'backup', '--source', 'uploads', '--source', 'app-db');
    for (const name of ['local', 'offsite'])
      assert.equal(
        (JSON.parse(succeed(program, host, 'snapshots', '-r', name, '--json')) as unknown[]).length,
        3,
      );
    // Kept aside to compare with; nothing of Lifeboat looks there.
    spawnSync('cp', ['-a', uploads, join(elsewhere, 'truth')]);
  });

  test('whose bucket was known to refuse', () => {
    const verdict = succeed(program, host, 'verify', '--tamper', 'offsite');
    assert.match(verdict, /refused/);
  });

  test('takes the host: files, database, local repository and cache', async () => {
    assert.ok(existsSync(join(host, 'cache', 'lifeboat')), 'there was a cache');
    await cluster.stop('immediate');
    for (const folder of ['uploads', 'repository', 'cache', 'state'])
      rmSync(join(host, folder), { recursive: true, force: true });
    rmSync(cluster.data, { recursive: true });
    assert.equal(run(program, host, ['snapshots', '-r', 'local']).status, 10);
  });

  test('and goes on to the bucket with the credentials of the job, where nothing can be destroyed', async () => {
    attackMs = Date.now() - 1;
    const client = rawClient(gateway);
    const { versions } = await versionsInBucket();
    const stored = versions.filter(({ Key }) => !Key!.includes('/locks/') && !Key!.includes('/canary/'));
    assert.ok(stored.length > 10);
    for (const { Key, VersionId } of stored)
      await assert.rejects(
        client.send(
          new DeleteObjectCommand({ Bucket: bucket, Key, VersionId, BypassGovernanceRetention: true }),
        ),
        (error: { name?: string }) => error.name === 'AccessDenied',
        `${Key} could be deleted`,
      );
    // What is left to somebody who cannot destroy: to hide everything, and to put rubbish over some.
    await client.send(
      new DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Objects: stored.map(({ Key }) => ({ Key: Key! })) },
      }),
    );
    const content = stored.filter(({ Key }) => /\/(data|index|snapshots)\//.test(Key!));
    for (const { Key } of content.filter((_, n) => n % 5 === 0))
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: Key!, Body: 'pay, or else' }));
    client.destroy();
    const after = await versionsInBucket();
    const left = new Set(after.versions.map(({ Key, VersionId }) => `${Key} ${VersionId}`));
    for (const { Key, VersionId } of stored) assert.ok(left.has(`${Key} ${VersionId}`), String(Key));
    assert.ok(after.markers >= stored.length);
  });

  test('after which another host, with nothing but the password and the bucket, brings back what was hidden', () => {
    configure(elsewhere, { offsite: offsite() });
    const lost = run(program, elsewhere, ['snapshots', '-r', 'offsite']);
    assert.equal(lost.status, 10);
    assert.match(lost.stderr, /hint: there was one: .*repair undelete --since TIME/);
    const again = run(program, elsewhere, ['init', '-r', 'offsite']);
    assert.equal(again.status, 1, 'a new repository over the hidden one would have another key');
    assert.match(again.stderr, /repair undelete --since TIME/);
    const undelete = ['repair', 'undelete', '-r', 'offsite', '--since', attackBegan()];
    succeed(program, elsewhere, ...undelete, '--dry-run');
    succeed(program, elsewhere, ...undelete, '--yes');
    succeed(program, elsewhere, 'check', '--read-data', '-r', 'offsite');
  });

  test('and restores everything with Lifeboat', async () => {
    const target = join(elsewhere, 'by-lifeboat');
    succeed(program, elsewhere, 'restore', 'latest', '--path', uploads, '--target', target, '-r', 'offsite');
    assertUploadsBack(join(target, uploads));
    const data = join(elsewhere, 'data-by-lifeboat');
    succeed(program, elsewhere, 'restore', 'app-db', '--target', data, '--no-start', '--yes');
    await assertDatabaseBack(data);
  });

  test('or with stock restic', async () => {
    const target = join(elsewhere, 'by-restic');
    succeed('restic', elsewhere, 'check', '--read-data');
    succeed('restic', elsewhere, 'restore', 'latest', '--path', uploads, '--target', target);
    assertUploadsBack(join(target, uploads));
    const snapshots = JSON.parse(succeed('restic', elsewhere, 'snapshots', '--json')) as {
      id: string;
      tags?: string[];
    }[];
    const database = snapshots.find(({ tags }) => tags?.includes('lifeboat:source=app-db'));
    assert.ok(database, 'the snapshot of the database');
    succeed('restic', elsewhere, 'restore', database.id, '--target', join(elsewhere, 'db-by-restic'));
    const data = succeed('restic', elsewhere, 'ls', database.id, '--json')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { path?: string; name?: string })
      .find(({ name }) => name === 'PG_VERSION')!.path!;
    // Folders above the data are root's own; the server's account has to get through.
    const folder = join(elsewhere, 'db-by-restic', dirname(data));
    for (let above = dirname(folder); above !== elsewhere; above = dirname(above)) chmodSync(above, 0o755);
    await assertDatabaseBack(folder);
  });
});
