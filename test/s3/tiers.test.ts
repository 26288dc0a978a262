import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { succeed, systemRestic } from '../programs.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, headOf, makeBucket } from './place.ts';
import { runLifecycle } from './run-lifecycle.ts';

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-tiers-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

const dayMs = 86_400_000;

/** Keys of the packs that hold trees, or content. */
async function packKeys(repository: Repository, type: 'tree' | 'data'): Promise<string[]> {
  const index = await loadIndex(repository);
  const keys = new Set<string>();
  for (let entry = 0; entry < index.table.count(); entry++)
    if (index.table.typeOf(entry) === type) keys.add(keyOf('data', index.packId(index.table.packOf(entry))));
  return [...keys].sort();
}

describe('a repository with tiers', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const env = {
    AWS_ACCESS_KEY_ID: gateway.accessKey,
    AWS_SECRET_ACCESS_KEY: gateway.secretKey,
    LIFEBOAT_PASSWORD: testPassword,
  };
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const config = join(scratch, 'lifeboat.yaml');
  writeFileSync(
    config,
    `version: 1
repositories:
  cold:
    s3: { bucket: ${bucket}, endpoint: "${gateway.endpoint}", prefix: app }
    tiers: [{ keep: daily, for: 30d, class: STANDARD }, { keep: yearly, for: 7y, class: GLACIER }]
    password: env:LIFEBOAT_PASSWORD
`,
  );
  const lifeboat = (...args: string[]): Promise<CommandResult> =>
    runForTest(['--config', config, '-r', 'cold', ...args], { env });
  async function succeeds(...args: string[]): Promise<string> {
    // Nobody else is here, and a lock takes its time to settle.
    const lock = args.includes('--prune') ? [] : ['--no-lock'];
    const { status, stdout, stderr } = await lifeboat(...lock, ...args);
    assert.equal(status, 0, stderr);
    return stdout;
  }

  const storage = connectTo(gateway, `${bucket}/app`);
  const repository = await createCheapRepository(storage);
  const files = join(scratch, 'files');
  mkdirSync(files);
  const nowMs = Date.now();
  const packBytes = 4 * 1024 * 1024;
  const backUpAt = (ageDays: number) =>
    backUp(repository, files, { timeMs: nowMs - ageDays * dayMs, packBytes });
  const contentOf: Record<string, Buffer> = {};
  const write = (name: string): void => {
    contentOf[name] = randomBytes(400_000);
    writeFileSync(join(files, name), contentOf[name]);
  };
  // What stays in each snapshot, and what only old ones have.
  write('kept');
  await backUpAt(800);
  const shared = await packKeys(repository, 'data');
  write('only old');
  await backUpAt(430);
  const old = (await packKeys(repository, 'data')).filter((key) => !shared.includes(key));
  rmSync(join(files, 'only old'));
  write('new');
  await backUpAt(0);

  interface Plan {
    readonly snapshots: readonly { readonly class: string | null; readonly reason: string }[];
    readonly moves: readonly { readonly id: string; readonly to: string; readonly marked: boolean }[];
    readonly changes: number;
  }
  const plan = async (): Promise<Plan> => JSON.parse(await succeeds('tier', 'plan', '--json')) as Plan;

  test('says which tier each snapshot is in, and that only what old ones alone need may move', async () => {
    const { snapshots, moves } = await plan();
    assert.deepEqual(
      snapshots.map((each) => each.class),
      ['GLACIER', 'GLACIER', 'STANDARD'],
    );
    assert.match(snapshots[0]!.reason, /yearly within 7y/);
    assert.deepEqual(
      moves.map(({ id, to }) => [keyOf('data', id as never), to]),
      old.map((key) => [key, 'GLACIER']),
    );
    const { stdout: shown, stderr } = await lifeboat('--no-lock', 'tier', 'plan', '--verbose');
    assert.match(
      stderr,
      /the bucket's rules are not as they should be \(the rule lifeboat-tier-glacier:app is missing\)/,
    );
    assert.match(shown, /yearly {2}7y {3}GLACIER {3}2/);
    assert.match(shown, /1 pack \(\d+\.\d+ KiB\) may move to a colder class: 1 to be marked/);
    assert.match(shown, /estimate: .* a month now, .* then; .*AWS us-east-1/);
  });

  test('marks those packs, and the bucket moves them by its own rules', async () => {
    await succeeds('lifecycle', 'apply', '--yes');
    await succeeds('tier', 'apply', '--dry-run');
    assert.equal(await storage.archive!.mark(old[0]!, 'lifeboat-tier'), null);
    assert.match(await succeeds('tier', 'apply'), /1 pack marked/);
    assert.match(await succeeds('tier', 'apply'), /0 packs marked/, 'and not again');
    await runLifecycle(gateway, bucket, { storage, key: old[0]!, storageClass: 'GLACIER' });
    const classes = Object.fromEntries(
      (await storage.archive!.list('data/')).map(({ key, storageClass }) => [key, storageClass]),
    );
    const cold = Object.keys(classes).filter((key) => classes[key] === 'GLACIER');
    assert.deepEqual(cold, old);
    const { moves, changes } = await plan();
    assert.deepEqual([moves.length, changes], [0, 0]);
    for (const folder of ['index/', 'snapshots/', 'keys/'])
      for (const { storageClass } of await storage.archive!.list(folder))
        assert.equal(storageClass, 'STANDARD');
  });

  test('takes a mark back from a pack that is needed again before it has moved', async () => {
    const [kept] = shared;
    await storage.archive!.setMark(kept!, 'lifeboat-tier', 'GLACIER');
    await storage.archive!.setMark(kept!, 'of-others', 'stays');
    const refused = await lifeboat('--no-lock', '-o', 'storage.append-only=true', 'tier', 'apply');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /cannot change the tags of data\/.*is append-only/);
    assert.equal(await storage.archive!.mark(kept!, 'lifeboat-tier'), 'GLACIER');
    assert.match(await succeeds('tier', 'apply'), /1 mark taken back/);
    assert.equal(await storage.archive!.mark(kept!, 'lifeboat-tier'), null);
    assert.equal(await storage.archive!.mark(kept!, 'of-others'), 'stays');
  });

  test('is read as ever where the class is but a name, as on Ceph, also by restic', async () => {
    const target = join(scratch, 'restored');
    const [first] = JSON.parse(await succeeds('snapshots', '--json')) as { id: string; time: string }[];
    assert.ok(first);
    await succeeds('restore', 'latest~1', '--target', target);
    assert.deepEqual(readFileSync(join(target, files, 'only old')), contentOf['only old']);
    await succeed(systemRestic, ['check', '--read-data'], {
      repository: `s3:${gateway!.endpoint}/${bucket}/app`,
      env: { AWS_ACCESS_KEY_ID: gateway!.accessKey, AWS_SECRET_ACCESS_KEY: gateway!.secretKey },
    });
  });

  test('is forgotten by its tiers where no other rule is given', async () => {
    const shown = await succeeds('forget', '--dry-run');
    assert.match(
      shown,
      /daily snapshots within 30d.*yearly snapshots within 7y.*\(the tiers of the configuration\)/,
    );
    assert.match(shown, /keep 3 snapshots/);
    assert.doesNotMatch(await succeeds('forget', '--dry-run', '--keep-last', '1'), /tiers of/);
  });

  test('tells what it costs to delete packs before the least time of their class', async () => {
    const shown = await succeeds('forget', '--keep-last', '1', '--prune');
    assert.match(
      shown,
      /1 pack to delete, younger than the least time of their storage class: that costs less than/,
    );
    assert.equal(await storage.size(old[0]!), null);
  });

  test('marks what Object Lock holds without a second version, which would be paid for too', async () => {
    const locked = gateway.newBucket();
    await makeBucket(gateway, locked, { objectLock: true });
    const inVault = connectTo(gateway, locked, { retention: { mode: 'compliance', forMs: 2 * dayMs } });
    await inVault.save('data/ab/abcd', [Buffer.alloc(1000)]);
    await inVault.archive!.setMark('data/ab/abcd', 'lifeboat-tier', 'GLACIER');
    assert.equal(await inVault.archive!.mark('data/ab/abcd', 'lifeboat-tier'), 'GLACIER');
    assert.equal((await headOf(gateway, locked, 'data/ab/abcd')).ObjectLockMode, 'COMPLIANCE');
    assert.equal((await inVault.vault!.versions('data/')).length, 1);
  });
});
