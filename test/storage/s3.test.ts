import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { type ErrorCode, hasCode } from '../../src/core/errors.ts';
import { createPacer } from '../../src/storage/pacer.ts';
import type { S3Settings } from '../../src/storage/s3/settings.ts';
import { gatewayMissing, joinGateway } from '../s3/gateway.ts';
import { connectTo, headOf, makeBucket, unfinishedUpload } from '../s3/place.ts';
import { startProxy } from '../s3/proxy.ts';
import { assertPaced, doEach, testStorage } from './contract.ts';

const gateway = gatewayMissing ? null : await joinGateway();
after(() => gateway?.release());

if (gateway)
  testStorage('s3', async () => {
    const bucket = gateway.newBucket();
    const path = `${bucket}/some/prefix`;
    await makeBucket(gateway, bucket);
    return {
      connect: () => connectTo(gateway, path),
      refusesSecond: true,
      leaveUnfinished: (key) => unfinishedUpload(gateway, bucket, `some/prefix/${key}`),
      close: async () => {},
    };
  });

const raised = (code: ErrorCode) => (error: unknown) => {
  assert.ok(hasCode(error, code), String(error));
  assert.ok(gateway && !error.message.includes(gateway.secretKey));
  return true;
};
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('s3 storage', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const connect = (more: Partial<S3Settings> = {}, path = bucket) => connectTo(gateway, path, more);

  test('makes the bucket where there is none, and only in create', async () => {
    const fresh = gateway.newBucket();
    const storage = connect({}, fresh);
    for (const attempt of [
      () => storage.load('config'),
      () => storage.save('config', [Buffer.from('x')]),
      () => storage.list('keys/'),
      () => storage.remove('config'),
    ])
      await assert.rejects(attempt, raised('storage-bucket-missing'));
    assert.equal(await storage.size('config'), null);
    await storage.create();
    await storage.create();
    assert.deepEqual(await storage.list('keys/'), []);
  });

  test('keeps to its prefix, and works at the root of a bucket', async () => {
    await connect({}, `${bucket}/a`).save('config', [Buffer.from('a')]);
    await connect({}, `${bucket}/a/b`).save('config', [Buffer.from('b')]);
    assert.equal(String(await connect().load('a/b/config')), 'b');
    assert.deepEqual(await connect({}, `${bucket}/a`).list('b/'), [{ key: 'b/config', size: 1 }]);
  });

  test('has the server refuse content that is not what its name says', async () => {
    const content = randomBytes(1000);
    const storage = connect();
    await storage.save('data/aa/sound', [content], { sha256: sha256(content) });
    const changed = Buffer.from(content);
    changed[500]! ^= 1;
    await assert.rejects(
      storage.save('data/aa/changed', [changed], { sha256: sha256(content) }),
      raised('storage-failed'),
    );
    assert.equal(await storage.size('data/aa/changed'), null);
  });

  test('takes content in shared memory, as packs are', async () => {
    const memory = new SharedArrayBuffer(100_000);
    const view = new Uint8Array(memory, 0, 70_000);
    randomBytes(70_000).copy(view);
    await connect().save('data/aa/shared', [view]);
    assert.ok((await connect().load('data/aa/shared')).equals(view));
  });

  test('sends what is large in parts, and gives up an upload that fails', async () => {
    const requests: string[] = [];
    const small = { multipartFromBytes: 6_000_000, onRequest: (name: string) => void requests.push(name) };
    const content = randomBytes(40_000_000);
    await connect(small).save('data/aa/parts', [content.subarray(0, 7), content.subarray(7)]);
    assert.deepEqual(
      requests.filter((name) => name !== 'UploadPart'),
      ['CreateMultipartUpload', 'CompleteMultipartUpload'],
    );
    assert.ok((await connect().load('data/aa/parts')).equals(content));

    const proxy = await startProxy(gateway.endpoint, {
      fault: ({ method, url }) =>
        method === 'PUT' && url.includes('partNumber=2')
          ? { kind: 'reset-request', afterBytes: 100_000 }
          : null,
    });
    try {
      const through = connectTo({ ...gateway, endpoint: proxy.endpoint }, bucket, small);
      await assert.rejects(through.save('data/aa/broken', [content]), raised('storage-unreachable'));
      assert.equal(await connect().size('data/aa/broken'), null);
      assert.equal(await connect().sweep!(0), 0, 'it left no unfinished upload');
    } finally {
      await proxy.close();
    }
  });

  test('sweeps away uploads that were killed, but none that may still be under way', async () => {
    await unfinishedUpload(gateway, bucket, 'data/aa/killed');
    await unfinishedUpload(gateway, bucket, 'elsewhere');
    assert.equal(await connect().sweep!(3600_000), 0);
    assert.equal(await connect({}, `${bucket}/data`).sweep!(0), 1, 'only below its prefix');
    assert.equal(await connect().sweep!(0), 1);
    assert.equal(await connect().sweep!(0), 0);
  });

  test('puts packs of content, and nothing that is read each time, into cold classes', async () => {
    const storage = connect({ storageClass: 'GLACIER' });
    await storage.save('data/aa/content', [Buffer.from('x')]);
    await storage.save('data/aa/trees', [Buffer.from('x')], { holdsTrees: true });
    await storage.save('index/i', [Buffer.from('x')]);
    const warm = connect({ storageClass: 'STANDARD_IA' });
    await warm.save('index/warm', [Buffer.from('x')]);
    await warm.save('locks/warm', [Buffer.from('x')]);
    const classes: Record<string, string> = {};
    for (const key of ['data/aa/content', 'data/aa/trees', 'index/i', 'index/warm', 'locks/warm'])
      classes[key] = (await headOf(gateway, bucket, key)).StorageClass ?? 'STANDARD';
    assert.deepEqual(classes, {
      'data/aa/content': 'GLACIER',
      'data/aa/trees': 'STANDARD',
      'index/i': 'STANDARD',
      'index/warm': 'STANDARD_IA',
      'locks/warm': 'STANDARD',
    });
    await assert.rejects(
      connect({ storageClass: 'NO_SUCH_CLASS' }).save('data/aa/x', [Buffer.from('x')]),
      raised('storage-settings'),
    );
  });

  test('has the server encrypt with a key of the client, which then is needed to read', async () => {
    const key = randomBytes(32);
    const keyed = connect({ encryption: { kind: 'customer', key }, multipartFromBytes: 6_000_000 });
    const content = randomBytes(20_000_000);
    await keyed.save('data/aa/keyed', [content.subarray(0, 1_000_000)]);
    await keyed.save('data/aa/keyed-parts', [content]);
    assert.equal(await keyed.size('data/aa/keyed'), 1_000_000);
    const range = { offset: 999_990, length: 100 };
    assert.ok((await keyed.load('data/aa/keyed', range)).equals(content.subarray(999_990, 1_000_000)));
    assert.ok((await keyed.load('data/aa/keyed-parts')).equals(content));
    await assert.rejects(connect().load('data/aa/keyed'), raised('storage-settings'));
    const other = connect({ encryption: { kind: 'customer', key: randomBytes(32) } });
    await assert.rejects(other.load('data/aa/keyed'));
  });

  test('has the server encrypt with a key of its key service', async () => {
    const storage = connect({ encryption: { kind: 'kms', key: 'lifeboat-key' } });
    await storage.save('data/aa/kms', [Buffer.from('secret')]);
    assert.equal((await headOf(gateway, bucket, 'data/aa/kms')).ServerSideEncryption, 'aws:kms');
    assert.equal(String(await connect().load('data/aa/kms')), 'secret');
  });

  test('sets Object Lock on what it saves, but not on locks', async () => {
    const locked = gateway.newBucket();
    const storage = connect({ retention: { mode: 'governance', forMs: 20_000 } }, locked);
    const until = new Date(Date.now() + 20_000);
    await makeBucket(gateway, locked, { objectLock: true });
    await storage.save('data/aa/kept', [Buffer.from('x')]);
    await storage.save('locks/free', [Buffer.from('x')]);
    const kept = await headOf(gateway, locked, 'data/aa/kept');
    assert.equal(kept.ObjectLockMode, 'GOVERNANCE');
    const late = (kept.ObjectLockRetainUntilDate?.getTime() ?? 0) - until.getTime();
    assert.ok(Math.abs(late) < 3_000, `${late} ms late`);
    assert.equal((await headOf(gateway, locked, 'locks/free')).ObjectLockMode, undefined);
  });

  test('paces what goes up and what comes down', async () => {
    await assertPaced(connect({ upload: createPacer(1_000_000), download: createPacer(2_000_000) }));
  });

  test('names itself in each request, tells of them, and shows its secret in none', async () => {
    const proxy = await startProxy(gateway.endpoint);
    try {
      const requests: string[] = [];
      const onRequest = (name: string) => void requests.push(name);
      const through = connectTo({ ...gateway, endpoint: proxy.endpoint }, bucket, {
        onRequest,
        requesterPays: true,
      });
      await doEach(through);
      assert.deepEqual(requests, ['PutObject', 'GetObject', 'HeadObject', 'ListObjectsV2', 'DeleteObject']);
      for (const { headers } of proxy.seen) {
        assert.equal(headers['user-agent'], 'lifeboat/test');
        assert.equal(headers['x-amz-request-payer'], 'requester');
        assert.ok(!JSON.stringify(headers).includes(gateway.secretKey));
        assert.equal(headers.expect, undefined, 'no round trip before the content');
      }
    } finally {
      await proxy.close();
    }
  });
});
