import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { hasCode } from '../../src/core/errors.ts';
import { executeExtension, isRetentionDue, prepareExtension } from '../../src/engine/immutability/retain.ts';
import type { Storage } from '../../src/storage/storage.ts';
import type { Vault } from '../../src/storage/vault.ts';
import { type JsonObject, jsonLines, lifeboat, run, succeed, systemRestic } from '../programs.ts';
import { randomOf, seed } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, makeBucket, rawClient } from './place.ts';

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-immutability-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

/** A folder with content of its own, larger than what is stored inside a tree. */
function folderOf(name: string, bytes = 200_000): string {
  const folder = join(scratch, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'file'), randomOf(name, seed).bytes(bytes));
  return folder;
}

function assertSame(one: string, other: string): void {
  const { status, stdout } = spawnSync('diff', ['-r', one, other], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
}

interface LockedPlace {
  readonly storage: Storage & { readonly vault: Vault };
  /** For programs: with the policy. */
  readonly options: readonly string[];
  readonly place: { readonly repository: string; readonly env: Readonly<Record<string, string>> };
}

type Mode = 'compliance' | 'governance';

describe('immutability', { skip: gatewayMissing, concurrency: 3 }, () => {
  if (!gateway) return;
  const env = { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey };

  /** A bucket with Object Lock and a repository in it that was stored under this policy. */
  async function lockedRepository(mode: Mode, forMs: number): Promise<LockedPlace> {
    const bucket = gateway!.newBucket();
    await makeBucket(gateway!, bucket, { objectLock: true });
    const storage = connectTo(gateway!, `${bucket}/app`, { retention: { mode, forMs } });
    await createCheapRepository(storage);
    return {
      storage: storage as LockedPlace['storage'],
      options: ['-o', `s3.retention=${mode}:${forMs / 1000}s`],
      place: { repository: `s3:${gateway!.endpoint}/${bucket}/app`, env },
    };
  }

  const keysOf = async (storage: Storage, prefix: string): Promise<string[]> =>
    (await storage.list(prefix)).map(({ key }) => key);
  const lastOf = (lines: readonly JsonObject[], type: string): JsonObject => {
    const found = lines.findLast(({ message_type }) => message_type === type);
    assert.ok(found, `${type} in ${JSON.stringify(lines)}`);
    return found;
  };

  test('locks what is stored; prune leaves what is locked, and removes it when its time is over', async () => {
    const { storage, options, place } = await lockedRepository('governance', 600_000);
    const [going, staying] = [folderOf('going'), folderOf('staying')];
    // So that one pack is repacked, as most of it is not needed.
    for (const folder of [going, staying])
      writeFileSync(join(folder, 'shared'), randomOf('shared', seed).bytes(50_000));
    await succeed(lifeboat(), ['backup', going, ...options], place);
    const before = await keysOf(storage, 'data/');
    await succeed(lifeboat(), ['backup', staying, ...options], place);
    for (const prefix of ['keys/', 'snapshots/', 'index/', 'data/', 'config'])
      for (const key of prefix === 'config' ? ['config'] : await keysOf(storage, prefix)) {
        const { retention, versionId } = await storage.vault.protection(key);
        assert.equal(retention?.mode, 'governance', key);
        await assert.rejects(storage.vault.removeVersion(key, versionId!), (error) =>
          hasCode(error, 'storage-denied'),
        );
      }
    assert.deepEqual(await storage.list('locks/'), []);

    const pruned = await succeed(
      lifeboat(),
      ['forget', '--keep-last', '1', '--group-by', '', '--prune', ...options],
      place,
    );
    assert.match(
      pruned,
      /2 packs \(.*\) are locked until .* and stay; the next prune after that removes them/,
    );
    const left = await keysOf(storage, 'data/');
    assert.ok(
      before.every((key) => left.includes(key)),
      'what is locked is neither gone nor hidden',
    );
    await succeed(systemRestic, ['check', '--read-data'], place);
    await succeed(systemRestic, ['restore', 'latest', '--target', join(scratch, 'by restic')], place);
    assertSame(staying, join(scratch, 'by restic', staying));

    // As if its time had passed.
    const sooner = { mode: 'governance', untilMs: Date.now() + 1_500 } as const;
    for (const key of before) await storage.vault.tryToShorten(key, sooner, { bypassGovernance: true });
    await sleep(2_000);
    const lines = await jsonLines(lifeboat(), ['prune', ...options], place);
    assert.ok(!lines.some(({ message_type }) => message_type === 'locked_packs'));
    const versions = await storage.vault.versions('data/');
    assert.deepEqual(
      versions.filter(({ key }) => before.includes(key)),
      [],
      'neither versions nor markers are left of it',
    );
    await succeed(lifeboat(), ['check', '--read-data'], place);
    await succeed(lifeboat(), ['restore', 'latest', '--target', join(scratch, 'later')], place);
    assertSame(staying, join(scratch, 'later', staying));
  });

  test('extends what snapshots need, and nothing else', async () => {
    const forMs = 600_000;
    const { storage, options, place } = await lockedRepository('governance', forMs);
    await succeed(lifeboat(), ['backup', folderOf('forgotten'), ...options], place);
    const forgotten = await keysOf(storage, 'data/');
    await succeed(lifeboat(), ['backup', folderOf('needed'), ...options], place);
    await succeed(lifeboat(), ['forget', '--keep-last', '1', '--group-by', '', ...options], place);
    // By restic, so without protection.
    await succeed(systemRestic, ['backup', folderOf('by another')], place);

    const planned = await jsonLines(lifeboat(), ['retain', '--dry-run', ...options], place);
    const plan = lastOf(planned, 'retention');
    assert.equal(plan.due_objects, plan.unprotected_objects, 'only what restic stored is due');
    assert.equal(plan.due_objects, 4);
    const retained = lastOf(await jsonLines(lifeboat(), ['retain', ...options], place), 'retention');
    assert.equal(retained.extended_objects, 4);

    // Under a longer policy all is due.
    const longer = ['-o', 's3.retention=governance:2d'];
    assert.match(
      await succeed(lifeboat(), ['backup', folderOf('needed'), ...longer], place),
      /protecting \d+ objects .* that snapshots need until/,
      'a backup does it by itself when it is due',
    );
    const dayMs = 24 * 60 * 60_000;
    for (const prefix of ['keys/', 'snapshots/', 'index/', 'data/'])
      for (const key of await keysOf(storage, prefix)) {
        const { retention } = await storage.vault.protection(key);
        const isLong = retention!.untilMs > Date.now() + dayMs;
        assert.equal(isLong, !forgotten.includes(key), key);
      }
    assert.doesNotMatch(
      await succeed(lifeboat(), ['backup', folderOf('needed'), ...longer], place),
      /protecting/,
      'then it is not due for a while',
    );
  });

  test('holds snapshots, with what they share, until the last of them is released', async () => {
    const { storage, options, place } = await lockedRepository('governance', 2_000);
    const shared = folderOf('shared');
    const ids: string[] = [];
    for (const own of ['first', 'second', 'third']) {
      const lines = await jsonLines(lifeboat(), ['backup', shared, folderOf(own), ...options], place);
      ids.push(String(lastOf(lines, 'summary').snapshot_id));
    }
    const [first, second, third] = ids as [string, string, string];
    await succeed(lifeboat(), ['hold', first, second], place);
    const listed = await jsonLines(lifeboat(), ['hold', '--list'], place);
    assert.deepEqual(
      listed.map(({ snapshot }) => (snapshot as { id: string }).id).sort(),
      [first, second].sort(),
    );
    const held = async (): Promise<number> => {
      let count = 0;
      for (const { key, versionId, isDeleteMarker } of await storage.vault.versions(''))
        if (!isDeleteMarker && (await storage.vault.protection(key, { versionId })).legalHold) count++;
      return count;
    };
    const both = await held();

    const refused = await run(lifeboat(), ['forget', first, third, ...options], place);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /snapshot [0-9a-f]{8} is held, so it cannot be removed/);
    assert.equal((await keysOf(storage, 'snapshots/')).length, 3, 'nothing was removed');
    const tagged = await run(lifeboat(), ['tag', '--add', 'x', first, ...options], place);
    assert.match(tagged.stderr, /is held/);
    assert.equal((await keysOf(storage, 'snapshots/')).length, 3, 'nothing was added');
    const kept = await succeed(
      lifeboat(),
      ['forget', '--keep-last', '1', '--group-by', '', '--prune', ...options],
      place,
    );
    assert.match(kept, /2 snapshots held until released: kept whatever the policy says/);

    const released = lastOf(await jsonLines(lifeboat(), ['hold', '--release', first], place), 'release');
    assert.ok(Number(released.shared_objects) >= 3, JSON.stringify(released));
    assert.ok((await held()) < both);
    await sleep(2_100);
    await succeed(lifeboat(), ['forget', first, '--prune', ...options], place);
    await succeed(systemRestic, ['check', '--read-data'], place);
    await succeed(systemRestic, ['restore', second, '--target', join(scratch, 'held')], place);
    assertSame(shared, join(scratch, 'held', shared));

    await succeed(lifeboat(), ['hold', '--release', second], place);
    assert.equal(await held(), 0, 'also of index files that were replaced meanwhile');
  });

  describe('the tamper test', () => {
    async function tamper(repository: string, more: readonly string[] = []) {
      const { status, stdout } = await run(
        lifeboat(),
        ['--json', 'verify', '--tamper', repository, ...more],
        {
          env,
        },
      );
      const report = lastOf(
        stdout
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as JsonObject),
        'tamper_test',
      );
      const outcomes = Object.fromEntries(
        (report.attempts as { attempt: string; outcome: string }[]).map(({ attempt, outcome }) => [
          attempt,
          outcome,
        ]),
      );
      return { status, report, outcomes };
    }

    test('finds a bucket with compliance to protect, whoever asks', async () => {
      const { place, options, storage } = await lockedRepository('compliance', 60_000);
      const { status, report, outcomes } = await tamper(place.repository, options);
      assert.deepEqual(outcomes, {
        overwrite: 'recoverable',
        delete: 'recoverable',
        'shorten-retention': 'refused',
        'delete-version': 'refused',
      });
      assert.equal(status, 0);
      assert.equal(report.protection, 'object-lock');
      const { untilMs } = (await storage.vault.versions('lifeboat/canary/')).length
        ? (await storage.vault.protection(String(report.canary))).retention!
        : { untilMs: 0 };
      assert.ok(untilMs < Date.now() + 61_000, 'the canary is locked for no more than a minute');
    });

    test('finds that who may bypass governance can destroy', async () => {
      const { place, options } = await lockedRepository('governance', 60_000);
      const { status, report, outcomes } = await tamper(place.repository, options);
      assert.equal(outcomes['delete-version'], 'refused');
      assert.equal(outcomes['shorten-retention-bypassing-governance'], 'weakened');
      assert.equal(outcomes['delete-version-bypassing-governance'], 'destroyed');
      assert.equal(status, 1);
      assert.equal(report.protects, false);
    });

    test('finds a plain bucket, and a folder, to protect nothing', async () => {
      const bucket = gateway.newBucket();
      await makeBucket(gateway, bucket);
      for (const place of [`s3:${gateway.endpoint}/${bucket}/app`, join(scratch, 'plain')]) {
        const { status, outcomes } = await tamper(place);
        assert.deepEqual(outcomes, { overwrite: 'destroyed', delete: 'destroyed' });
        assert.equal(status, 1);
      }
      assert.deepEqual(await connectTo(gateway, `${bucket}/app`).list('lifeboat/'), []);
      // What this program refuses by itself is no protection.
      const own = await tamper(join(scratch, 'plain'), ['-o', 'storage.append-only=true']);
      assert.equal(own.status, 1);
    });
  });

  test('lets everything come back that was hidden or overwritten', async () => {
    const { storage, options, place } = await lockedRepository('compliance', 30_000);
    const files = folderOf('attacked');
    await succeed(lifeboat(), ['backup', files, ...options], place);
    const attackedMs = Date.now();
    const since = new Date(attackedMs - 5).toISOString();
    await sleep(10);
    // With the credentials of the job.
    const attacker = connectTo(gateway, place.repository.split('/').slice(3).join('/'));
    const keys = ['config'];
    for (const prefix of ['keys/', 'snapshots/', 'index/', 'data/'])
      keys.push(...(await keysOf(storage, prefix)));
    const packs = await keysOf(storage, 'data/');
    await attacker.save(packs[0]!, [Buffer.from('rubbish')]);
    for (const key of keys) await attacker.remove(key);
    await attacker.save('config', [Buffer.from('rubbish')]);
    assert.equal((await run(systemRestic, ['snapshots'], place)).status !== 0, true);

    const undelete = ['repair', 'undelete', '--since', since];
    const planned = lastOf(await jsonLines(lifeboat(), [...undelete, '--dry-run'], place), 'undelete');
    assert.equal(planned.hidden, keys.length - 1);
    assert.equal(planned.overwritten, 1);
    assert.deepEqual(await storage.list('snapshots/'), [], 'a dry run brings nothing back');
    assert.match((await run(lifeboat(), undelete, place)).stderr, /no terminal to ask on/);

    const done = lastOf(await jsonLines(lifeboat(), [...undelete, '--yes', ...options], place), 'undelete');
    assert.deepEqual(done.failed, []);
    assert.equal(done.replaced, 2);
    await succeed(systemRestic, ['check', '--read-data'], place);
    await succeed(lifeboat(), ['restore', 'latest', '--target', join(scratch, 'undeleted')], place);
    assertSame(files, join(scratch, 'undeleted', files));
    const again = lastOf(await jsonLines(lifeboat(), [...undelete, '--dry-run'], place), 'undelete');
    assert.equal(again.hidden, 0);
  });

  test('is kept up by a job with the rights that the page gives it, and nothing else', async () => {
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    const uid = `job-${bucket}`;
    const secret = randomBytes(20).toString('hex');
    await gateway.admin(
      ...[
        'user',
        'create',
        `--uid=${uid}`,
        '--display-name=job',
        `--access-key=${uid}`,
        `--secret-key=${secret}`,
      ],
    );
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'storage.md'), 'utf8');
    const policy = JSON.parse(
      /^```json\n([\s\S]*?)^```$/m.exec(page)![1]!.replaceAll('acme-backups', bucket),
    ) as {
      Statement: object[];
    };
    // The policy of a bucket says for whom it is; the page's is one of an account.
    const Principal = { AWS: [`arn:aws:iam:::user/${uid}`] };
    policy.Statement = policy.Statement.map((statement) => ({ ...statement, Principal }));
    const client = rawClient(gateway);
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
    client.destroy();

    const place = {
      repository: `s3:${gateway.endpoint}/${bucket}/app`,
      env: { AWS_ACCESS_KEY_ID: uid, AWS_SECRET_ACCESS_KEY: secret },
    };
    const options = ['-o', 's3.retention=governance:600s'];
    await createCheapRepository(
      connectTo({ ...gateway, accessKey: uid, secretKey: secret }, `${bucket}/app`, {
        retention: { mode: 'governance', forMs: 600_000 },
      }),
    );
    await succeed(lifeboat(), ['backup', folderOf('by the job'), ...options], place);
    const longer = ['-o', 's3.retention=governance:2d'];
    const retained = lastOf(await jsonLines(lifeboat(), ['retain', ...longer], place), 'retention');
    assert.ok(Number(retained.extended_objects) >= 6, JSON.stringify(retained));
    const { status, stdout, stderr } = await run(lifeboat(), ['verify', '--tamper', ...options], place);
    assert.equal(status, 0, stdout + stderr);
    for (const line of [
      /^overwrite +done, but can be undone$/m,
      /^delete +refused$/m,
      /^delete the version +refused$/m,
      /^delete the version, bypassing governance +refused$/m,
      /^shorten the retention, bypassing governance +refused$/m,
    ])
      assert.match(stdout, line);
    const forgotten = await run(lifeboat(), ['forget', 'latest', ...options], place);
    assert.equal(forgotten.status, 3, forgotten.stdout + forgotten.stderr);
    assert.deepEqual(await connectTo(gateway, `${bucket}/app`).list('locks/'), []);
  });

  test('is refused by a bucket without Object Lock, and init makes one with it', async () => {
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket);
    const options = ['-o', 's3.retention=compliance:30d'];
    const place = { repository: `s3:${gateway.endpoint}/${bucket}/app`, env };
    const { status, stderr } = await run(lifeboat(), ['init', ...options], place);
    assert.equal(status, 1);
    assert.match(stderr, /made without Object Lock/);
    assert.deepEqual(await connectTo(gateway, `${bucket}/app`).list('keys/'), [], 'nothing was stored');

    const made = gateway.newBucket();
    const short = ['-o', 's3.retention=governance:5s'];
    await succeed(lifeboat(), ['init', ...short], { repository: `s3:${gateway.endpoint}/${made}`, env });
    const { locksObjects } = await connectTo(gateway, made).vault!.facts();
    assert.equal(locksObjects, true);
    const wrong = await run(lifeboat(), ['snapshots', '-o', 's3.retention=30d'], place);
    assert.match(wrong.stderr, /expected governance or compliance/);
  });

  test('of what comes in parts is set as well', async () => {
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    const storage = connectTo(gateway, bucket, {
      retention: { mode: 'governance', forMs: 60_000 },
      multipartFromBytes: 5_000_000,
    });
    await storage.save('data/aa/large', [Buffer.alloc(6_000_000)]);
    assert.equal((await storage.vault!.protection('data/aa/large')).retention?.mode, 'governance');
    await storage.save('lifeboat/journal/app/1/heartbeat', [Buffer.from('x')]);
    assert.equal((await storage.vault!.protection('lifeboat/journal/app/1/heartbeat')).retention, null);
  });

  test('covers the log of a database but for its heartbeats, which are replaced', async () => {
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    const connect = (forMs: number) =>
      connectTo(gateway, bucket, { retention: { mode: 'governance', forMs } });
    const storage = connect(60_000);
    const repository = await createCheapRepository(storage);
    const heartbeat = 'lifeboat/journal/app/1/heartbeat';
    for (const content of ['one', 'two']) await storage.save(heartbeat, [Buffer.from(content)]);
    const piece = `lifeboat/journal/app/1/0000000100000000/000000010000000000000001-00000000-00000010.${'a'.repeat(32)}`;
    await storage.save(piece, [Buffer.from('log')]);
    assert.equal((await storage.vault!.protection(heartbeat)).retention, null);
    assert.equal(await isRetentionDue(repository), false);

    const longer = { ...repository, storage: connect(600_000) };
    assert.equal(await isRetentionDue(longer), true);
    const plan = await prepareExtension(longer, { askAll: false });
    const keys = plan.extend.map(({ key }) => key);
    assert.deepEqual(
      keys.filter((key) => key.startsWith('lifeboat/')),
      [piece],
    );
    assert.equal(keys.at(-1), 'config');
    await executeExtension(longer, plan);
    assert.equal(await isRetentionDue(longer), false);
  });
});
