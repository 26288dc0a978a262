import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import {
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
} from '@aws-sdk/client-s3';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { withContentMd5 } from '../../src/storage/s3/bucket.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { makeBucket, rawClient } from './place.ts';

const gateway = gatewayMissing ? null : await joinGateway();
const scratch = mkdtempSync(join(tmpdir(), 's3-lifecycle-'));
after(() => {
  gateway?.release();
  rmSync(scratch, { recursive: true, force: true });
});

const tiers = `[{ keep: daily, for: 30d, class: STANDARD }, { keep: weekly, for: 90d, class: STANDARD_IA },
      { keep: monthly, for: 1y, class: GLACIER }]`;

describe("the lifecycle of a repository's bucket", { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const { endpoint } = gateway;
  const client = rawClient(gateway);
  after(() => client.destroy());

  async function prepared(): Promise<{
    readonly bucket: string;
    readonly lifecycle: (...args: string[]) => Promise<CommandResult>;
    readonly rules: () => Promise<LifecycleRule[]>;
    readonly write: (rules: LifecycleRule[]) => Promise<void>;
  }> {
    const bucket = gateway!.newBucket();
    await makeBucket(gateway!, bucket);
    const config = join(scratch, `${bucket}.yaml`);
    const repository = (prefix: string, more: string): string =>
      `{ s3: { bucket: ${bucket}, endpoint: "${endpoint}", prefix: ${prefix} }, password: env:P${more} }`;
    writeFileSync(
      config,
      `version: 1\nrepositories:\n  app: ${repository('prod/app', `, tiers: ${tiers}`)}\n  other: ${repository('prod/other', '')}\n`,
    );
    const env = { AWS_ACCESS_KEY_ID: gateway!.accessKey, AWS_SECRET_ACCESS_KEY: gateway!.secretKey };
    return {
      bucket,
      lifecycle: (...args) => runForTest(['--config', config, 'lifecycle', ...args], { env }),
      rules: async () => {
        const found = await client
          .send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
          .catch((error: Error) => {
            if (error.name === 'NoSuchLifecycleConfiguration') return { Rules: [] };
            throw error;
          });
        return (found.Rules ?? []).sort((a, b) => (a.ID! < b.ID! ? -1 : 1));
      },
      write: async (Rules) => {
        const LifecycleConfiguration = { Rules };
        const command = new PutBucketLifecycleConfigurationCommand({
          Bucket: bucket,
          LifecycleConfiguration,
        });
        await client.send(withContentMd5(command));
      },
    };
  }

  const foreign: LifecycleRule = {
    ID: 'logs of somebody',
    Status: 'Enabled',
    Filter: { Prefix: 'logs/' },
    Expiration: { Days: 14 },
  };

  test('is shown as a diff, written when somebody says yes, and read again', async () => {
    const { lifecycle, rules, write } = await prepared();
    await write([foreign]);
    const diff = await lifecycle('diff', 'app');
    assert.equal(diff.status, 0, diff.stderr);
    assert.match(diff.stdout, /^\+ rule lifeboat-tier-glacier:prod\/app$/m);
    assert.match(diff.stdout, /^\+ {3}objects: prod\/app\/data\/, with the tag lifeboat-tier=GLACIER$/m);
    assert.doesNotMatch(diff.stdout, /logs/);

    const unasked = await lifecycle('apply', 'app');
    assert.match(unasked.stderr, /there is no terminal to ask on/);
    assert.equal((await lifecycle('apply', 'app', '--dry-run')).status, 0);
    assert.deepEqual(await rules(), [foreign], 'nothing was written');

    const applied = await lifecycle('apply', 'app', '--yes');
    assert.equal(applied.status, 0, applied.stderr);
    const written = await rules();
    assert.deepEqual(
      written.map(({ ID }) => ID),
      [
        'lifeboat-tidy:prod/app',
        'lifeboat-tier-glacier:prod/app',
        'lifeboat-tier-standard-ia:prod/app',
        'logs of somebody',
      ],
    );
    assert.deepEqual(written.at(-1), foreign, 'rules of others are written back as they were');
    for (const { ID, Expiration } of written.slice(0, -1))
      assert.ok(Expiration?.Days === undefined && Expiration?.Date === undefined, `${ID}`);
    assert.match((await lifecycle('diff', 'app')).stdout, /has the rules that it should have/);
    const checked = await lifecycle('check', 'app');
    assert.deepEqual([checked.status, checked.stderr], [0, '']);
  });

  test('is shared by several repositories, which leave the rules of the others alone', async () => {
    const { lifecycle, rules } = await prepared();
    assert.equal((await lifecycle('apply', 'app', '--yes')).status, 0);
    assert.equal((await lifecycle('apply', 'other', '--yes')).status, 0);
    assert.equal((await rules()).length, 4);
    assert.equal((await lifecycle('check', 'app')).status, 0);
    assert.equal((await lifecycle('check', 'other')).status, 0);
  });

  test('is checked for drift: every difference is named, and applying mends it', async () => {
    const { lifecycle, rules, write } = await prepared();
    assert.equal((await lifecycle('apply', 'app', '--yes')).status, 0);
    const [tidy, glacier] = await rules();
    await write([
      { ...tidy!, NoncurrentVersionExpiration: { NoncurrentDays: 60 } },
      { ...glacier!, ID: 'lifeboat-old:prod/app' },
    ]);
    const { status, stderr } = await lifecycle('check', 'app');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /drift: the rule lifeboat-tidy:prod\/app has noncurrentExpirationDays 60 where 30 is wanted/,
    );
    assert.match(stderr, /drift: the rule lifeboat-tier-standard-ia:prod\/app is missing/);
    assert.match(stderr, /drift: the rule lifeboat-old:prod\/app is wanted no longer/);
    assert.match(stderr, /lifecycle apply/);
    const diff = await lifecycle('diff', 'app');
    assert.match(
      diff.stdout,
      /^- {3}old versions deleted: after 60 days\n\+ {3}old versions deleted: after 30 days$/m,
    );
    assert.equal((await lifecycle('apply', 'app', '--yes')).status, 0);
    assert.equal((await lifecycle('check', 'app')).status, 0);
  });

  test('is refused where rules of others could delete or hide what snapshots need', async () => {
    const { lifecycle, rules, write } = await prepared();
    assert.equal((await lifecycle('apply', 'app', '--yes')).status, 0);
    const ours = await rules();
    const dangerous: readonly (readonly [LifecycleRule, RegExp])[] = [
      [
        { ID: 'clean', Status: 'Enabled', Filter: { Prefix: 'prod/' }, Expiration: { Days: 365 } },
        /deletes objects of the repository after 365 days/,
      ],
      [
        { ID: 'clean', Status: 'Enabled', Filter: { Prefix: 'prod/app/index/0' }, Expiration: { Days: 1 } },
        /deletes index\/ after 1 days/,
      ],
      [
        {
          ID: 'cold',
          Status: 'Enabled',
          Filter: { Prefix: '' },
          Transitions: [{ Days: 90, StorageClass: 'GLACIER' }],
        },
        /moves objects of the repository to GLACIER/,
      ],
      [
        {
          ID: 'short',
          Status: 'Enabled',
          Filter: { Prefix: 'prod/app/' },
          NoncurrentVersionExpiration: { NoncurrentDays: 1 },
        },
        /deletes old versions of objects of the repository after 1 days, where 30 are wanted/,
      ],
    ];
    for (const [rule, message] of dangerous) {
      await write([...ours, rule]);
      const { status, stderr } = await lifecycle('check', 'app');
      assert.equal(status, 1);
      assert.match(stderr, message);
      assert.match(stderr, new RegExp(`danger in the lifecycle of the bucket .*: ${rule.ID}`));
    }
    const harmless: LifecycleRule[] = [
      { ID: 'elsewhere', Status: 'Enabled', Filter: { Prefix: 'prod/application' }, Expiration: { Days: 1 } },
      { ID: 'locks', Status: 'Enabled', Filter: { Prefix: 'prod/app/locks/' }, Expiration: { Days: 9 } },
      { ID: 'off', Status: 'Disabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } },
    ];
    await write([...ours, ...harmless]);
    const { status, stderr } = await lifecycle('check', 'app');
    assert.deepEqual([status, stderr], [0, '']);
  });

  test('is told as JSON, and only of buckets', async () => {
    const { lifecycle } = await prepared();
    const { stdout } = await lifecycle('diff', 'app', '--json');
    const [diff] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { add: { id: string }[] });
    assert.equal(diff?.add.length, 3);
    const folder = await runForTest(['-r', scratch, 'lifecycle', 'show']);
    assert.match(folder.stderr, /is no bucket, so it has no lifecycle/);
  });
});
