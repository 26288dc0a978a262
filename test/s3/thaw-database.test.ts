import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { createCluster } from '../postgres/cluster.ts';
import { missingServer } from '../postgres/programs.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { startAwsFake } from './aws-fake.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo, makeBucket } from './place.ts';

const skip = gatewayMissing || missingServer('debian');

describe('a database whose backup is archived', { skip }, () => {
  test('names the snapshot to bring back, and is restored when it is there', async (t) => {
    const gateway = await joinGateway();
    t.after(() => gateway.release());
    const scratch = mkdtempSync(join(tmpdir(), 's3-thaw-database-'));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const cluster = await createCluster();
    t.after(() => cluster.destroy());
    await cluster.start();
    const fake = await startAwsFake(gateway.endpoint);
    t.after(() => fake.close());
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket);
    const storage = connectTo(gateway, bucket);
    await createCheapRepository(storage);
    const config = join(scratch, 'lifeboat.yaml');
    writeFileSync(
      config,
      `version: 1
repositories:
  cold: { s3: { bucket: ${bucket}, endpoint: "${fake.endpoint}" }, password: env:LIFEBOAT_PASSWORD }
sources:
  app-db: { type: postgres, url: "${cluster.url}", method: physical }
`,
    );
    const env = {
      AWS_ACCESS_KEY_ID: gateway.accessKey,
      AWS_SECRET_ACCESS_KEY: gateway.secretKey,
      LIFEBOAT_PASSWORD: testPassword,
    };
    const lifeboat = (...args: string[]): Promise<CommandResult> =>
      runForTest(['--config', config, ...args], { env });
    const made = await lifeboat('backup', '--source', 'app-db');
    assert.equal(made.status, 0, made.stderr);

    const index = await loadIndex(await openRepository(storage, testPassword));
    const packs = new Set<number>();
    for (let entry = 0; entry < index.table.count(); entry++)
      if (index.table.typeOf(entry) === 'data') packs.add(index.table.packOf(entry));
    const keys = [...packs].map((pack) => keyOf('data', index.packId(pack)));
    fake.freeze(bucket, 'GLACIER', keys);

    const target = join(scratch, 'restored');
    const restore = ['restore', 'app-db', '--to', 'immediate', '--no-start', '--target', target];
    const refused = await lifeboat(...restore);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(refused.stderr, /packs that this needs are archived \(GLACIER\)/);
    const [, named] = /run `lifeboat (-r cold thaw [0-9a-f]{8})`/.exec(refused.stderr) ?? [];
    assert.ok(named, refused.stderr);
    assert.equal(existsSync(target), false);

    const asked = await lifeboat(...named.split(' '), '--yes', '--no-wait');
    assert.equal(asked.status, 0, asked.stderr);
    assert.equal(fake.deliver(), keys.length);
    const restored = await lifeboat(...restore);
    assert.equal(restored.status, 0, restored.stderr);
    assert.ok(existsSync(join(target, 'global/pg_control')));
  });
});
