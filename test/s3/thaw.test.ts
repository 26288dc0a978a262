import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { type AwsFake, startAwsFake } from './aws-fake.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, makeBucket } from './place.ts';

/** Archived objects and RestoreObject are a fake (aws-fake.ts): no server that can be installed here has them. */

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-thaw-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

describe('a snapshot whose packs are archived', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const repository = await createCheapRepository(connectTo(gateway, `${bucket}/r`));
  const files = join(scratch, 'files');
  mkdirSync(files);
  const names = Array.from({ length: 6 }, (_, n) => `file ${n}`);
  for (const name of names) writeFileSync(join(files, name), randomBytes(60_000));
  const { snapshotId } = await backUp(repository, files);
  const id = snapshotId!.slice(0, 8);
  const index = await loadIndex(repository);
  const keysOf = (type: 'tree' | 'data'): string[] => {
    const packs = new Set<number>();
    for (let entry = 0; entry < index.table.count(); entry++)
      if (index.table.typeOf(entry) === type) packs.add(index.table.packOf(entry));
    return [...packs].map((pack) => keyOf('data', index.packId(pack)));
  };
  const content = keysOf('data');

  const env = {
    AWS_ACCESS_KEY_ID: gateway.accessKey,
    AWS_SECRET_ACCESS_KEY: gateway.secretKey,
    LIFEBOAT_PASSWORD: testPassword,
  };
  let targets = 0;
  const newTarget = (): string => join(scratch, `target ${++targets}`);

  async function withArchive(
    storageClass: string,
    keys: readonly string[],
    work: (
      fake: AwsFake,
      lifeboat: (args: readonly string[], signal?: AbortSignal) => Promise<CommandResult>,
    ) => Promise<void>,
  ): Promise<void> {
    const fake = await startAwsFake(gateway!.endpoint);
    fake.freeze(`${bucket}/r`, storageClass, keys);
    try {
      await work(fake, (args, signal) =>
        runForTest(['--no-lock', '-r', `s3:${fake.endpoint}/${bucket}/r`, ...args], {
          env,
          ...(signal && { signal }),
        }),
      );
    } finally {
      await fake.close();
    }
  }
  /** What was asked for comes back as it would over hours. */
  async function deliverUntil(done: Promise<unknown>, fake: AwsFake, each = 2): Promise<void> {
    let ended = false;
    void done.finally(() => {
      ended = true;
    });
    for (let n = 0; n < 1000 && !ended; n++) {
      fake.deliver(each);
      await sleep(10);
    }
  }
  function assertRestored(target: string): void {
    for (const name of names)
      assert.deepEqual(readFileSync(join(target, files, name)), readFileSync(join(files, name)));
  }

  test('is not restored before they are back: nothing is written, and the way is named', () =>
    withArchive('GLACIER', content, async (fake, lifeboat) => {
      const target = newTarget();
      const { status, stderr } = await lifeboat(['restore', id, '--target', target]);
      assert.equal(status, 1);
      assert.match(
        stderr,
        new RegExp(
          `${content.length} of the ${content.length} packs that this needs are archived \\(GLACIER\\)`,
        ),
      );
      assert.match(
        stderr,
        new RegExp(
          `run \`lifeboat -r s3:.* thaw ${id}\`, then this again \\(expedited: 1 to 5 minutes, .*standard: 3 to 5 hours`,
        ),
      );
      assert.match(stderr, /lifeboat help storage-archived/);
      assert.equal(existsSync(target), false);
      for (const thawing of [[], ['--thaw', 'standard']]) {
        const dry = await lifeboat(['restore', id, '--target', target, '--dry-run', ...thawing]);
        assert.equal(dry.status, 0, dry.stderr);
        assert.match(dry.stdout + dry.stderr, /packs that this needs are archived/);
      }
      assert.equal(fake.restores.length, 0);
    }));

  test('shows what it would ask for, what that takes and costs, and asks before it does', () =>
    withArchive('DEEP_ARCHIVE', content, async (fake, lifeboat) => {
      const { stdout } = await lifeboat(['thaw', id, '--dry-run']);
      assert.match(stdout, new RegExp(`to be asked for: ${content.length} packs, .* in DEEP_ARCHIVE`));
      assert.match(stdout, /standard: 9 to 12 hours, less than \$0\.01/);
      assert.doesNotMatch(stdout, /expedited/);
      const unasked = await lifeboat(['thaw', id]);
      assert.match(unasked.stderr, /there is no terminal to ask on/);
      const tooFast = await lifeboat(['thaw', id, '--speed', 'expedited', '--yes']);
      assert.match(tooFast.stderr, /DEEP_ARCHIVE cannot be brought back at the speed expedited/);
      assert.equal(fake.restores.length, 0);
      const plan = JSON.parse((await lifeboat(['thaw', id, '--dry-run', '--json'])).stdout) as {
        to_request: unknown[];
      };
      assert.equal(plan.to_request.length, content.length);
    }));

  test('is brought back and restored in one go, waiting in between', () =>
    withArchive('GLACIER', content, async (fake, lifeboat) => {
      const target = newTarget();
      const args = ['restore', id, '--target', target, '--thaw', 'bulk', '--thaw-poll', '20ms', '--yes'];
      const running = lifeboat(args);
      await deliverUntil(running, fake);
      const { status, stderr } = await running;
      assert.equal(status, 0, stderr);
      assertRestored(target);
      assert.deepEqual(
        fake.restores.map(({ path }) => path).sort(),
        content.map((key) => `/${bucket}/r/${key}`).sort(),
      );
      assert.deepEqual(
        new Set(fake.restores.map(({ tier, days }) => `${tier} ${days}`)),
        new Set(['Bulk 7']),
      );
      const again = newTarget();
      assert.equal(
        (await lifeboat(['restore', id, '--target', again])).status,
        0,
        'copies are read without a word',
      );
    }));

  test('is waited for again after an interruption, and nothing is asked for twice', () =>
    withArchive('GLACIER', content, async (fake, lifeboat) => {
      const stop = new AbortController();
      const first = lifeboat(['thaw', id, '--yes', '--poll', '10ms', '--days', '3'], stop.signal);
      for (let n = 0; n < 1000 && fake.restores.length < content.length; n++) await sleep(5);
      fake.deliver(1);
      stop.abort();
      const interrupted = await first;
      assert.equal(interrupted.status, 130);
      assert.match(interrupted.stderr, /run the same command again: the storage goes on meanwhile/);

      const early = await lifeboat(['restore', id, '--target', newTarget()]);
      assert.match(early.stderr, new RegExp(`${content.length - 1} are on their way`));
      const unwaited = await lifeboat(['thaw', id, '--no-wait']);
      assert.match(unwaited.stdout, new RegExp(`${content.length - 1} packs are on their way`));
      const second = lifeboat(['thaw', id, '--poll', '10ms']);
      await deliverUntil(second, fake);
      const { status, stderr, stdout } = await second;
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`${content.length} archived packs can be read`));
      assert.equal(fake.restores.length, content.length);
      assert.deepEqual(
        new Set(fake.restores.map(({ tier, days }) => `${tier} ${days}`)),
        new Set(['Standard 3']),
      );
    }));

  test('is not dumped before they are back, and what is there stays', () =>
    withArchive('GLACIER', content, async (fake, lifeboat) => {
      const file = join(scratch, 'dumped');
      writeFileSync(file, 'of before');
      const one = ['dump', id, join(files, 'file 2'), '--target', file];
      const { status, stderr } = await lifeboat(one);
      assert.equal(status, 1);
      const [, needed] = /: (\d+) of the \d+ packs that this needs are archived/.exec(stderr) ?? [];
      assert.ok(Number(needed) > 0 && Number(needed) < content.length, stderr);
      assert.equal(readFileSync(file, 'utf8'), 'of before');
      const whole = await lifeboat(['dump', id, '/', '--target', file]);
      assert.match(whole.stderr, new RegExp(`${content.length} of the ${content.length} packs`));
      assert.equal((await lifeboat(['thaw', id, '--yes', '--no-wait'])).status, 0);
      fake.deliver();
      assert.equal((await lifeboat(one)).status, 0);
      assert.deepEqual(readFileSync(file), readFileSync(join(files, 'file 2')));
    }));

  test('is no damage to a check that reads all data, which says what it left out', () =>
    withArchive('GLACIER', content.slice(1), async (_fake, lifeboat) => {
      const { status, stdout, stderr } = await lifeboat(['check', '--read-data']);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /Archived packs were not read; `lifeboat thaw SNAPSHOT`/);
    }));

  test('is brought back in part, for the files that are wanted', () =>
    withArchive('GLACIER', content, async (fake, lifeboat) => {
      const target = newTarget();
      const include = ['--include', 'file 3'];
      const running = lifeboat(['thaw', id, '--yes', '--poll', '10ms', ...include]);
      await deliverUntil(running, fake);
      assert.equal((await running).status, 0);
      assert.ok(fake.restores.length > 0 && fake.restores.length < content.length);
      assert.equal((await lifeboat(['restore', id, '--target', target, ...include])).status, 0);
      assert.deepEqual(readFileSync(join(target, files, 'file 3')), readFileSync(join(files, 'file 3')));
    }));

  test('is brought back in two steps where another tool archived its trees as well', () =>
    withArchive('GLACIER', [...content, ...keysOf('tree')], async (fake, lifeboat) => {
      const target = newTarget();
      const refused = await lifeboat(['restore', id, '--target', target]);
      assert.match(
        refused.stderr,
        /packs with trees are archived \(GLACIER\), which say what the snapshot holds/,
      );
      const running = lifeboat([
        'restore',
        id,
        '--target',
        target,
        '--thaw',
        'standard',
        '--thaw-poll',
        '10ms',
        '--yes',
      ]);
      await deliverUntil(running, fake, 1);
      const { status, stderr } = await running;
      assert.equal(status, 0, stderr);
      assertRestored(target);
      assert.equal(fake.restores.length, content.length + keysOf('tree').length);
      assert.ok(keysOf('tree').every((key) => fake.restores[0]!.path.endsWith(key)));
    }));
});

describe("a provider's own replication", { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  await createCheapRepository(connectTo(gateway, `${bucket}/r`));
  await connectTo(gateway, `${bucket}/r`).save('data/ab/abcd', [Buffer.from('content')]);
  const env = { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey };
  const rule = (prefix: string, status = 'Enabled'): string =>
    `<ReplicationConfiguration><Role>r</Role><Rule><ID>there</ID><Status>${status}</Status><Priority>1</Priority><Filter><Prefix>${prefix}</Prefix></Filter><Destination><Bucket>arn:aws:s3:::elsewhere</Bucket></Destination></Rule></ReplicationConfiguration>`;

  test('is said to be missing where there is none, as on this gateway', async () => {
    const { status, stdout, stderr } = await runForTest(
      ['-r', `s3:${gateway!.endpoint}/${bucket}/r`, 'replication'],
      { env },
    );
    assert.equal(status, 1, 'a rule that somebody removed must not look like success');
    assert.match(stderr, /it has no rule/);
    assert.match(stdout, /is not replicated by its provider: make copies with `lifeboat copy`/);
  });

  test('is behind where objects failed, no rule covers them, or there are no versions', async () => {
    const fake = await startAwsFake(gateway!.endpoint);
    try {
      const replication = (): Promise<CommandResult> =>
        runForTest(['-r', `s3:${fake.endpoint}/${bucket}/r`, 'replication'], { env });
      fake.replication = rule('r/data/');
      fake.replicationStatus = (path) => (path.includes('/data/') ? 'FAILED' : 'COMPLETED');
      const { status, stdout, stderr } = await replication();
      assert.equal(status, 1);
      assert.match(stdout, /rule there: r\/data\/ to arn:aws:s3:::elsewhere/);
      assert.match(stderr, /no rule that is enabled copies all objects/);
      assert.match(stderr, /1 objects could not be copied, such as data\/ab\/abcd/);
      assert.match(stderr, /the bucket keeps no versions/);
      fake.replication = rule('', 'Disabled');
      assert.match((await replication()).stderr, /no rule that is enabled copies all objects/);
    } finally {
      await fake.close();
    }
  });
});
