import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type ErrorCode, hasCode } from '../../src/core/errors.ts';
import type { AzureSettings } from '../../src/storage/azure/settings.ts';
import { createPacer } from '../../src/storage/pacer.ts';
import { azuriteMissing, startAzurite } from '../azure/azurite.ts';
import { connectTo, rawContainer, unfinishedUpload } from '../azure/place.ts';
import { type Fault, startProxy } from '../s3/proxy.ts';
import { assertPaced, doEach, testStorage } from './contract.ts';

const server = azuriteMissing ? null : await startAzurite();
after(() => server?.stop());

if (server)
  testStorage('azure', async () => {
    const container = server.newContainer();
    return {
      connect: () => connectTo(server, `${container}:/some/prefix`),
      refusesSecond: true,
      leaveUnfinished: (key) => unfinishedUpload(server, container, `some/prefix/${key}`),
      close: async () => {},
    };
  });

const raised = (code: ErrorCode, said = /./) => {
  return (error: unknown): boolean => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(error.message, said);
    assert.ok(server && !error.message.includes(server.key));
    return true;
  };
};

describe('azure storage', { skip: azuriteMissing }, async () => {
  if (!server) return;
  const container = server.newContainer();
  const connect = (more: Partial<AzureSettings> = {}, path = `${container}:/`) =>
    connectTo(server, path, more);
  await connect().create();

  /** Does something by way of a proxy that lets bad things happen. */
  async function through<T>(
    fault: (method: string, url: string) => Fault,
    work: (storage: ReturnType<typeof connect>) => Promise<T>,
    more: Partial<AzureSettings> = {},
  ): Promise<T> {
    const { endpoint, account } = server!;
    const proxy = await startProxy(endpoint, { fault: ({ method, url }) => fault(method, url) });
    try {
      return await work(connect({ endpoint: `${proxy.endpoint}/${account}`, ...more }));
    } finally {
      await proxy.close();
    }
  }

  /** A signature for the container; `until` is when it ends. */
  function signatureUntil(until: Date, permissions = 'racwdl'): string {
    const startsOn = new Date(until.getTime() - 3600_000);
    const given = ContainerSASPermissions.parse(permissions);
    const what = { containerName: container, permissions: given, startsOn, expiresOn: until };
    const credential = new StorageSharedKeyCredential(server!.account, server!.key);
    return generateBlobSASQueryParameters(what, credential).toString();
  }

  test('makes the container where there is none, and only in create', async () => {
    const path = `${server.newContainer()}:/app`;
    const storage = connect({}, path);
    for (const attempt of [
      () => storage.load('config'),
      () => storage.save('config', [Buffer.from('x')]),
      () => storage.list('keys/'),
      () => storage.remove('config'),
    ])
      await assert.rejects(attempt, raised('storage-bucket-missing', /no such container/));
    assert.equal(await storage.size('config'), null);
    await storage.create();
    await connect({}, path).create();
    assert.deepEqual(await storage.list('keys/'), []);
  });

  test('keeps to its prefix, and works at the root of a container', async () => {
    await connect({}, `${container}:/a`).save('config', [Buffer.from('a')]);
    await connect({}, `${container}:/a/b`).save('config', [Buffer.from('b')]);
    assert.equal(String(await connect().load('a/b/config')), 'b');
    assert.deepEqual(await connect({}, `${container}:/a`).list('b/'), [{ key: 'b/config', size: 1 }]);
  });

  test('takes content in shared memory, as packs are', async () => {
    const view = new Uint8Array(new SharedArrayBuffer(100_000), 0, 70_000);
    randomBytes(70_000).copy(view);
    await connect().save('data/aa/shared', [view]);
    assert.ok((await connect().load('data/aa/shared')).equals(view));
  });

  test('says with each content what it hashes to, and the server refuses what is not that', async () => {
    const { endpoint, account } = server;
    const proxy = await startProxy(endpoint);
    const small = { blocksFromBytes: 1_000_000, endpoint: `${proxy.endpoint}/${account}` };
    const content = randomBytes(3_000_000);
    const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64');
    try {
      await connect(small).save('data/aa/hashed', [content.subarray(0, 1000)]);
      await connect(small).save('data/aa/blocks', [content]);
    } finally {
      await proxy.close();
    }
    const sent = proxy.seen.filter(({ headers }) => headers['content-md5'] !== undefined);
    assert.deepEqual(
      sent.map(({ headers }) => headers['content-md5']),
      [md5(content.subarray(0, 1000)), md5(content)],
    );
    const signature = signatureUntil(new Date(Date.now() + 600_000));
    const answer = await fetch(`${endpoint}/${container}/damaged?${signature}`, {
      method: 'PUT',
      body: 'other content',
      headers: { 'content-md5': md5(content), 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2024-11-04' },
    });
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /Md5Mismatch/);
    assert.equal(await connect().size('damaged'), null);
  });

  test('sends what is large in blocks, of which nothing is seen where one fails', async () => {
    const requests: string[] = [];
    const small = { blocksFromBytes: 6_000_000, onRequest: (name: string) => void requests.push(name) };
    const content = randomBytes(40_000_000);
    await connect({ ...small, tier: 'Cool' }).save('data/aa/blocks', [
      content.subarray(0, 7),
      content.subarray(7),
    ]);
    assert.deepEqual(requests, ['Put Block', 'Put Block', 'Put Block', 'Put Block List']);
    assert.ok((await connect().load('data/aa/blocks')).equals(content));
    const { accessTier, contentType } = await rawContainer(server, container)
      .getBlobClient('data/aa/blocks')
      .getProperties();
    assert.deepEqual([accessTier, contentType], ['Cool', 'application/octet-stream']);

    let blocks = 0;
    await through(
      (_, url) =>
        url.includes('comp=block&') && ++blocks === 2 ? { kind: 'reset-request', afterBytes: 100_000 } : null,
      (storage) => assert.rejects(storage.save('data/aa/broken', [content]), raised('storage-unreachable')),
      small,
    );
    assert.equal(await connect().size('data/aa/broken'), null);
  });

  test('puts packs of content, and nothing that is read each time, into the archive', async () => {
    const storage = connect({ tier: 'Archive' });
    await storage.save('data/aa/content', [Buffer.from('x')]);
    await storage.save('data/aa/trees', [Buffer.from('x')], { holdsTrees: true });
    await storage.save('index/i', [Buffer.from('x')]);
    const warm = connect({ tier: 'Cold' });
    await warm.save('index/warm', [Buffer.from('x')]);
    await warm.save('locks/warm', [Buffer.from('x')]);
    const tiers: Record<string, string | undefined> = {};
    for (const key of ['data/aa/content', 'data/aa/trees', 'index/i', 'index/warm', 'locks/warm'])
      tiers[key] = (await rawContainer(server, container).getBlobClient(key).getProperties()).accessTier;
    assert.deepEqual(tiers, {
      'data/aa/content': 'Archive',
      'data/aa/trees': 'Hot',
      'index/i': 'Hot',
      'index/warm': 'Cold',
      'locks/warm': 'Hot',
    });
    await assert.rejects(connect().load('data/aa/content'), raised('storage-archived', /archive tier/));
  });

  test('works with a shared access signature, and says when it has expired without showing it', async () => {
    const credentials = (until: Date, permissions?: string): Partial<AzureSettings> => {
      const signature = signatureUntil(until, permissions);
      return { credentials: { kind: 'sas', signature: async () => `?${signature}` } };
    };
    const storage = connect(credentials(new Date(Date.now() + 600_000)));
    await storage.save('data/aa/signed', [Buffer.from('x')]);
    assert.equal(String(await storage.load('data/aa/signed')), 'x');
    const expired = credentials(new Date(Date.now() - 60_000));
    await assert.rejects(connect(expired).load('data/aa/signed'), (error: unknown) => {
      assert.ok(hasCode(error, 'storage-credentials', 'storage-denied'), String(error));
      assert.doesNotMatch(error.message, /sig=(?!\*)/);
      return true;
    });
    const mayOnlyRead = connect(credentials(new Date(Date.now() + 600_000), 'r'));
    assert.equal(String(await mayOnlyRead.load('data/aa/signed')), 'x');
    await assert.rejects(mayOnlyRead.remove('data/aa/signed'), raised('storage-denied'));
    await mayOnlyRead.create();
  });

  test('tells a key that is none, or not the one, from other troubles', async () => {
    const withKey = (key: string) =>
      connect({ credentials: { kind: 'key', account: server.account, key: async () => key } });
    await assert.rejects(withKey('no key').load('config'), raised('storage-credentials', /base64/));
    const other = withKey(randomBytes(64).toString('base64'));
    await assert.rejects(other.load('config'), raised('storage-credentials'));
    await assert.rejects(
      connect({ credentials: { kind: 'default' } }).load('config'),
      raised('storage-settings', /non-TLS/),
      'no token goes over a connection that others can hear',
    );
  });

  test('gives the troubles of a network and of a busy server their names', async () => {
    await connect().save('data/aa/there', [randomBytes(500_000)]);
    const load = (storage: ReturnType<typeof connect>) => storage.load('data/aa/there');
    const cases: readonly (readonly [Fault, ErrorCode])[] = [
      [{ kind: 'answer', status: 503, code: 'ServerBusy' }, 'storage-throttled'],
      [{ kind: 'answer', status: 500, code: 'InternalError' }, 'storage-failed'],
      [{ kind: 'answer', status: 409, code: 'BlobImmutableDueToPolicy' }, 'storage-denied'],
      [{ kind: 'answer', status: 403, code: 'AuthorizationPermissionMismatch' }, 'storage-denied'],
      [{ kind: 'reset-answer', afterBytes: 100_000 }, 'storage-unreachable'],
      [{ kind: 'silence' }, 'storage-unreachable'],
    ];
    for (const [fault, code] of cases)
      await through(
        () => fault,
        (storage) => assert.rejects(load(storage), raised(code), JSON.stringify(fault)),
        { stuckMs: 200 },
      );
    await through(
      () => ({ kind: 'reset-request', afterBytes: 100_000 }),
      (storage) =>
        assert.rejects(storage.save('data/aa/cut', [randomBytes(1_000_000)]), raised('storage-unreachable')),
    );
    assert.equal(await connect().size('data/aa/cut'), null);
    const nobody = connect({ endpoint: 'http://127.0.0.1:1/account' });
    await assert.rejects(load(nobody), raised('storage-unreachable', /connection was refused/));
  });

  test('paces what goes up and what comes down', async () => {
    await assertPaced(connect({ upload: createPacer(1_000_000), download: createPacer(2_000_000) }));
  });

  test('names itself in each request, tells of them, and shows its key in none', async () => {
    const proxy = await startProxy(server.endpoint);
    try {
      const requests: string[] = [];
      const storage = connect({
        endpoint: `${proxy.endpoint}/${server.account}`,
        onRequest: (name) => void requests.push(name),
      });
      await storage.create();
      await doEach(storage);
      assert.deepEqual(requests, [
        'Get Container Properties',
        'Put Blob',
        'Get Blob',
        'Get Blob Properties',
        'List Blobs',
        'Delete Blob',
      ]);
      assert.equal(proxy.seen.length, requests.length);
      for (const { headers } of proxy.seen) {
        assert.equal(headers['user-agent'], 'lifeboat/test');
        assert.ok(!JSON.stringify(headers).includes(server.key));
      }
    } finally {
      await proxy.close();
    }
  });
});
