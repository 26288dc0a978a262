import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { type ErrorCode, hasCode } from '../../src/core/errors.ts';
import type { GcsSettings } from '../../src/storage/gcs/settings.ts';
import { connectTo } from '../gcs/place.ts';
import { startRecorded } from '../gcs/recorded.ts';
import { type Fault, startProxy } from '../s3/proxy.ts';
import { doEach, testStorage } from './contract.ts';

// Against recorded answers: the emulator itself needs Go, and is heard in test/peers.
const server = await startRecorded();
after(() => server.stop());

testStorage('gs, by recorded answers', async () => ({
  connect: () => connectTo(server.endpoint, 'contract:/some/prefix'),
  close: async () => {},
}));

const raised =
  (code: ErrorCode, said = /./) =>
  (error: unknown): boolean => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(error.message, said);
    assert.ok(!error.message.includes('token-of-the-test'));
    return true;
  };

describe('gs storage', async () => {
  const connect = (more: Partial<GcsSettings> = {}, path = 'bucket:/') =>
    connectTo(server.endpoint, path, more);
  await connect().create();

  async function through<T>(
    fault: Fault,
    work: (storage: ReturnType<typeof connect>) => Promise<T>,
    more: Partial<GcsSettings> = {},
  ): Promise<T> {
    const proxy = await startProxy(server.endpoint, { fault: () => fault });
    try {
      return await work(connect({ endpoint: proxy.endpoint, ...more }));
    } finally {
      await proxy.close();
    }
  }

  test('makes the bucket where there is none, in a project, and only in create', async () => {
    const path = 'not-yet:/app';
    for (const attempt of [
      () => connect({}, path).save('config', [Buffer.from('x')]),
      () => connect({}, path).list('keys/'),
    ])
      await assert.rejects(attempt, raised('storage-bucket-missing', /no such bucket/));
    assert.equal(await connect({}, path).size('config'), null);
    await assert.rejects(
      connect({ project: null }, path).create(),
      (error: unknown) => hasCode(error, 'storage-bucket-missing') && /GOOGLE_PROJECT_ID/.test(error.hint),
    );
    await connect({}, path).create();
    await connect({ project: null }, path).create();
    assert.deepEqual(await connect({}, path).list('keys/'), []);
  });

  test('keeps to its prefix, and works at the root of a bucket', async () => {
    await connect({}, 'bucket:/a').save('config', [Buffer.from('a')]);
    await connect({}, 'bucket:/a/b').save('config', [Buffer.from('b')]);
    assert.equal(String(await connect().load('a/b/config')), 'b');
    assert.deepEqual(await connect({}, 'bucket:/a').list('b/'), [{ key: 'b/config', size: 1 }]);
  });

  test('takes content in shared memory, as packs are, and content that looks like a boundary', async () => {
    const view = new Uint8Array(new SharedArrayBuffer(100_000), 0, 70_000);
    randomBytes(70_000).copy(view);
    await connect().save('data/aa/shared', [view]);
    assert.ok((await connect().load('data/aa/shared')).equals(view));
    const tricky = Buffer.from('\r\n--lifeboat--\r\n\r\n--\r\n');
    await connect().save('data/aa/tricky', [tricky]);
    assert.ok((await connect().load('data/aa/tricky')).equals(tricky));
  });

  test('tries again what arrived damaged, as the server or its answer tells', async () => {
    const damaged = (body: string, status: number): Promise<void> =>
      answering(status, body, (endpoint) =>
        assert.rejects(
          connect({ endpoint }).save('data/aa/damaged', [Buffer.from('x')]),
          raised('storage-failed', /damaged|MD5/),
        ),
      );
    await damaged('{"error":{"code":400,"message":"Provided MD5 hash \\"a\\" doesn\'t match"}}', 400);
    await damaged('{"md5Hash":"1B2M2Y8AsgTpgAmY7PhCfg=="}', 200);
  });

  test('puts packs of content, and nothing that is read each time, into cold classes', async () => {
    const cold = connect({ storageClass: 'ARCHIVE' });
    await cold.save('data/aa/content', [Buffer.from('x')]);
    await cold.save('data/aa/trees', [Buffer.from('x')], { holdsTrees: true });
    await cold.save('index/i', [Buffer.from('x')]);
    const warm = connect({ storageClass: 'NEARLINE' });
    await warm.save('index/warm', [Buffer.from('x')]);
    await warm.save('locks/warm', [Buffer.from('x')]);
    const classOf = (key: string) => server.buckets.get('bucket')?.get(key)?.storageClass;
    assert.deepEqual(
      ['data/aa/content', 'data/aa/trees', 'index/i', 'index/warm', 'locks/warm'].map(classOf),
      ['ARCHIVE', 'STANDARD', 'STANDARD', 'NEARLINE', 'STANDARD'],
    );
  });

  test('gives the troubles of a network their names', async () => {
    await connect().save('data/aa/there', [randomBytes(500_000)]);
    for (const [fault, code] of [
      [{ kind: 'answer', status: 503, code: 'backendError' }, 'storage-throttled'],
      [{ kind: 'answer', status: 500, code: 'internalError' }, 'storage-failed'],
      [{ kind: 'answer', status: 429, code: 'rateLimitExceeded' }, 'storage-throttled'],
      [{ kind: 'reset-answer', afterBytes: 100_000 }, 'storage-unreachable'],
      [{ kind: 'silence' }, 'storage-unreachable'],
    ] as const)
      await through(
        fault,
        (storage) => assert.rejects(storage.load('data/aa/there'), raised(code), JSON.stringify(fault)),
        { stuckMs: 200 },
      );
    await through({ kind: 'reset-request', afterBytes: 100_000 }, (storage) =>
      assert.rejects(storage.save('data/aa/cut', [randomBytes(1_000_000)]), raised('storage-unreachable')),
    );
    assert.equal(await connect().size('data/aa/cut'), null);
    await assert.rejects(
      connect({ endpoint: 'http://127.0.0.1:1' }).load('config'),
      raised('storage-unreachable'),
    );
  });

  test('names itself in each request, tells of them, and shows its token to nobody else', async () => {
    const proxy = await startProxy(server.endpoint);
    try {
      const requests: string[] = [];
      const onRequest = (name: string) => void requests.push(name);
      const storage = connect({ endpoint: proxy.endpoint, onRequest });
      await storage.create();
      await doEach(storage);
      assert.deepEqual(requests, [
        'buckets.get',
        'objects.insert',
        'objects.get',
        'objects.get',
        'objects.list',
        'objects.delete',
      ]);
      for (const { headers, url } of proxy.seen) {
        assert.equal(headers['user-agent'], 'lifeboat/test');
        assert.equal(headers.authorization, 'Bearer token-of-the-test');
        assert.ok(!url.includes('token-of-the-test'));
      }
    } finally {
      await proxy.close();
    }
  });
});

/** Runs work on a server that answers everything alike. */
async function answering(
  status: number,
  body: string,
  work: (endpoint: string) => Promise<void>,
  seen: string[] = [],
): Promise<void> {
  const made = createServer((incoming, outgoing) => {
    void text(incoming).then((sent) => {
      seen.push(sent);
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(made, 'listening');
  try {
    await work(`http://127.0.0.1:${(made.address() as AddressInfo).port}`);
  } finally {
    made.closeAllConnections();
    made.close();
  }
}

describe('credentials of gs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gs-credentials-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const withFile = (content: string) => {
    const path = join(folder, 'credentials.json');
    writeFileSync(path, content);
    return connectTo(server.endpoint, 'bucket:/', { credentials: { kind: 'file', path } });
  };

  test('of a file that is none are refused without a word of its content', async () => {
    await assert.rejects(withFile('private words').load('config'), (error: unknown) => {
      assert.ok(hasCode(error, 'storage-credentials'), String(error));
      assert.ok(!error.message.includes('private'));
      return true;
    });
    await assert.rejects(
      withFile('{"type":"something"}').load('config'),
      raised('storage-credentials', /neither the key/),
    );
    const absent = { kind: 'file', path: join(folder, 'absent') } as const;
    await assert.rejects(
      connectTo(server.endpoint, 'bucket:/', { credentials: absent }).load('config'),
      raised('storage-credentials', /no such file/),
    );
  });

  test('of a service account that cannot be signed with are refused', async () => {
    const account = { type: 'service_account', client_email: 'job@example.org', private_key: 'no key' };
    await assert.rejects(withFile(JSON.stringify(account)).load('config'), raised('storage-credentials'));
  });
});
