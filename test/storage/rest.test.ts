import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Access,
  type RestServer,
  type RestServerOptions,
  startRestServer,
} from '../../src/app/rest-server/server.ts';
import { type ErrorCode, hasCode, type LifeboatError } from '../../src/core/errors.ts';
import { parseRestLocation } from '../../src/storage/rest/location.ts';
import { restStorage } from '../../src/storage/rest/rest.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { testStorage } from './contract.ts';
import { mountSmallDisk } from './tmpfs.ts';

const folder = mkdtempSync(join(tmpdir(), 'storage-rest-'));
const servers: RestServer[] = [];
const clients: { close(): void }[] = [];
after(async () => {
  for (const client of clients) client.close();
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function serve(given: Partial<RestServerOptions> & { folder: string }): Promise<RestServer> {
  const server = await startRestServer({
    host: '127.0.0.1',
    port: 0,
    htpasswdFile: null,
    appendOnly: false,
    privateRepositories: false,
    tls: null,
    bytesMax: null,
    onProblem: () => undefined,
    ...given,
  });
  servers.push(server);
  return server;
}

function clientOf(
  url: string,
  login: { user?: string; password?: string } = {},
  authorities: string[] = [],
): Storage {
  const location = parseRestLocation(`rest:${url}`);
  const storage = restStorage(location, {
    user: login.user ?? location.user,
    password: login.password === undefined ? null : async () => login.password!,
    authorities,
    clientCertificate: null,
    insecureTls: false,
    connections: 5,
    stuckMs: 20_000,
    userAgent: 'test',
  });
  clients.push(storage);
  return storage;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const packOf = (bytes: Uint8Array): string => `data/${sha256(bytes).slice(0, 2)}/${sha256(bytes)}`;
const raised =
  (code: ErrorCode, says = /./) =>
  (error: unknown): boolean =>
    hasCode(error, code) && says.test(error.message) && error.hint !== '';

/** Names of restic's kinds are hashes, which the suite's are not: it plays below the extension. */
function below(prefix: string, storage: Storage): Storage {
  const away = (key: string): string => `${prefix}${key}`;
  return {
    ...storage,
    save: (key, parts, facts) => storage.save(away(key), parts, facts),
    load: (key, range) => storage.load(away(key), range),
    size: (key) => storage.size(away(key)),
    remove: (key) => storage.remove(away(key)),
    list: async (given) =>
      (await storage.list(away(given))).map(({ key, size }) => ({ key: key.slice(prefix.length), size })),
    localPath: (key) => storage.localPath(away(key)),
  };
}

testStorage('rest', async () => {
  const server = await serve({ folder: join(folder, 'contract') });
  return {
    connect: () => below('lifeboat/suite/', clientOf(`${server.url}some/repository/`)),
    close: async () => undefined,
  };
});

/** Sends a path as it is, which clients of any sense would not. */
function rawStatus(url: string, method: string, path: string, body = ''): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ hostname, port, method, path }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('rest storage', () => {
  test('keeps what restic has where restic keeps it, whatever is asked of it', async () => {
    const root = join(folder, 'kinds');
    const storage = clientOf((await serve({ folder: root })).url);
    await storage.create();
    const packs = Array.from({ length: 20 }, () => randomBytes(50_000));
    await Promise.all(
      packs.map((pack) => storage.save(packOf(pack), [pack.subarray(0, 9), pack.subarray(9)])),
    );
    const [one] = packs as [Buffer];
    assert.ok(readFileSync(join(root, packOf(one))).equals(one));
    assert.deepEqual((await storage.list('data/')).map(({ key }) => key).sort(), packs.map(packOf).sort());
    assert.deepEqual(
      (await storage.list(`data/${sha256(one).slice(0, 2)}/`)).find(({ key }) => key === packOf(one)),
      { key: packOf(one), size: 50_000 },
    );
    assert.ok((await storage.load(packOf(one), { offset: 100, length: 50 })).equals(one.subarray(100, 150)));
    await storage.save(packOf(one), [one]);
    await storage.save('config', [Buffer.from('settings')]);
    await assert.rejects(storage.save('config', [Buffer.from('others')]), raised('storage-denied'));
    assert.equal(String(await storage.load('config')), 'settings');
    await storage.remove(packOf(one));
    assert.equal(await storage.size(packOf(one)), null);
    assert.deepEqual(await storage.list('locks/'), []);
  });

  test('stores nothing under a name that is not the hash of the content', async () => {
    const root = join(folder, 'hash');
    const storage = clientOf((await serve({ folder: root })).url);
    await storage.create();
    const pack = randomBytes(1000);
    await assert.rejects(
      storage.save(packOf(pack), [randomBytes(1000)]),
      raised('storage-failed', /SHA-256/),
    );
    assert.equal(await storage.size(packOf(pack)), null);
  });

  test('takes additions only where the server is append-only, but for locks', async () => {
    const root = join(folder, 'append');
    const storage = clientOf((await serve({ folder: root, appendOnly: true })).url);
    await storage.create();
    const pack = randomBytes(1000);
    const lock = Buffer.from('lock');
    await storage.save('config', [Buffer.from('x')]);
    await storage.save(packOf(pack), [pack]);
    await storage.save(packOf(pack), [pack]);
    await storage.save('lifeboat/journal/a', [pack]);
    await storage.save('lifeboat/journal/a', [pack]);
    await storage.save(`locks/${sha256(lock)}`, [lock]);
    await storage.remove(`locks/${sha256(lock)}`);
    const refused = raised('storage-append-only');
    await assert.rejects(storage.remove(packOf(pack)), refused);
    await assert.rejects(storage.remove('config'), refused);
    await assert.rejects(storage.remove('lifeboat/journal/a'), refused);
    await assert.rejects(storage.save('lifeboat/journal/a', [lock]), refused);
    assert.ok((await storage.load('lifeboat/journal/a')).equals(pack));
    assert.ok((await storage.load(packOf(pack))).equals(pack));
  });

  test('refuses a wrong password, and shows each user his own folder only', async () => {
    const root = join(folder, 'private');
    const htpasswdFile = join(folder, 'htpasswd');
    // "first secret" by bcrypt, "second secret" by SHA-1.
    const { hash } = (await import('bcryptjs')).default;
    const bcrypt = (await hash('first secret', 4)).replace('$2b$', '$2y$');
    const sha = createHash('sha1').update('second secret').digest('base64');
    writeFileSync(htpasswdFile, `# users\none:${bcrypt}\ntwo:{SHA}${sha}\n`);
    const seen: Access[] = [];
    const server = await serve({
      folder: root,
      htpasswdFile,
      privateRepositories: true,
      onAccess: (access) => seen.push(access),
    });
    const one = { user: 'one', password: 'first secret' };
    const two = { user: 'two', password: 'second secret' };
    await clientOf(`${server.url}one/repo/`, one).create();
    await clientOf(`${server.url}two/`, two).save('config', [Buffer.from('x')]);
    assert.ok(existsSync(join(root, 'two/config')));
    await assert.rejects(clientOf(`${server.url}two/`, one).load('config'), raised('storage-denied'));
    await assert.rejects(clientOf(server.url, one).load('config'), raised('storage-denied'));
    for (const login of [
      {},
      { user: 'one', password: 'wrong word' },
      { user: 'no one', password: 'first secret' },
    ]) {
      const failing = clientOf(`${server.url}one/`, login).size('config');
      await assert.rejects(failing, (error: LifeboatError) => {
        assert.equal(error.code, 'storage-credentials');
        return !/wrong word|first secret/.test(`${error.message} ${error.hint}`);
      });
    }
    assert.ok(seen.some(({ user, status }) => user === 'one' && status === 200));
    assert.ok(!JSON.stringify(seen).includes('secret'));
  });

  for (const [line, why] of [
    ['one:plain', 'a plain password'],
    ['one:$apr1$abc$def', 'MD5'],
    [':{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'no name'],
  ] as const) {
    test(`a server does not start with users that have ${why}`, async () => {
      const htpasswdFile = join(folder, 'bad-htpasswd');
      writeFileSync(htpasswdFile, `${line}\n`);
      const failing = startRestServer({
        host: '127.0.0.1',
        port: 0,
        folder,
        htpasswdFile,
        appendOnly: false,
        privateRepositories: false,
        tls: null,
        bytesMax: null,
        onProblem: () => undefined,
      });
      await assert.rejects(failing, raised('usage', /bad-htpasswd:1/));
    });
  }

  test('stops at the quota, and goes on once there is room', async () => {
    const root = join(folder, 'quota');
    const storage = clientOf((await serve({ folder: root, bytesMax: 100_000 })).url);
    await storage.create();
    const [one, two] = [randomBytes(60_000), randomBytes(60_000)];
    await storage.save(packOf(one), [one]);
    await storage.save(packOf(one), [one]).catch(() => undefined);
    await assert.rejects(storage.save(packOf(two), [two]), raised('storage-full'));
    await storage.remove(packOf(one));
    await storage.save(packOf(two), [two]);
    assert.deepEqual(await storage.list('data/'), [{ key: packOf(two), size: 60_000 }]);
  });

  test('says storage-full on a full disk', async (t) => {
    const disk = mountSmallDisk(1_000_000);
    if (!disk) return t.skip('needs root');
    try {
      const storage = clientOf((await serve({ folder: join(disk.path, 'repository') })).url);
      await storage.create();
      const large = randomBytes(2_000_000);
      await assert.rejects(storage.save(packOf(large), [large]), raised('storage-full'));
      assert.deepEqual(await storage.list('data/'), []);
    } finally {
      disk.unmount();
    }
  });

  test('shows nothing of an upload that broke off', async () => {
    const root = join(folder, 'broken');
    const server = await serve({ folder: root });
    await clientOf(server.url).create();
    const { hostname, port } = new URL(server.url);
    const pack = randomBytes(500_000);
    const socket = connect({ host: hostname, port: Number(port) });
    const path = packOf(pack).replace(/data\/..\//, 'data/');
    socket.write(`POST /${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n`);
    socket.write(pack.subarray(0, 300_000));
    await sleep(100);
    socket.destroy();
    await sleep(50);
    assert.deepEqual(existsSync(join(root, 'data')) ? readdirSync(join(root, 'data')) : [], []);
    assert.equal(await clientOf(server.url).size(packOf(pack)), null);
  });

  test('reaches nothing outside of its folder', async () => {
    const root = join(folder, 'inside', 'served');
    writeFileSync(join(folder, 'config'), 'outside');
    const { url } = await serve({ folder: root });
    const id = 'a'.repeat(64);
    for (const path of [
      '/../config',
      '/../../config',
      '/%2e%2e/config',
      '/..%2fconfig',
      '/%2e%2e%2fconfig',
      '/x/%2e%2e/%2e%2e/config',
      '//config',
      '/.hidden/config',
      '/x%00/config',
      '/x\\..\\config',
      '/%c0%ae%c0%ae/config',
      `/data/../locks/${id}`,
      `/data/..%2f${id}`,
      '/data/config',
      '/data/aa/x',
      '/.lifeboat/../config',
      '/.lifeboat/%2e%2e/config',
      '/.lifeboat/a/../../../config',
      '/.lifeboat/.hidden',
      '/config/config',
      `/${'x/'.repeat(20)}config`,
      `/${'x'.repeat(3000)}/config`,
    ]) {
      for (const [method, body] of [
        ['GET', ''],
        ['POST', 'evil'],
        ['DELETE', ''],
      ] as const) {
        const status = await rawStatus(url, method, path, body);
        assert.ok([400, 404, 405].includes(status), `${method} ${path}: ${status}`);
      }
    }
    assert.equal(readFileSync(join(folder, 'config'), 'utf8'), 'outside');
    assert.deepEqual(readdirSync(join(folder, 'inside')), ['served']);
    assert.deepEqual(readdirSync(root), []);
  });

  test('a server that knows only what restic stores gets no journal, and has none', async () => {
    const foreign = createServer((request, response) => {
      request.resume();
      const list = request.url === '/locks/';
      response.writeHead(list ? 200 : 404, { 'content-type': 'application/json' });
      response.end(list ? JSON.stringify([]) : '');
    });
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    try {
      const storage = clientOf(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
      await assert.rejects(storage.save('lifeboat/journal/x', []), raised('storage-journal-refused'));
      assert.deepEqual(await storage.list('lifeboat/journal/'), []);
      assert.equal(await storage.size('lifeboat/journal/x'), null);
      await assert.rejects(storage.load('lifeboat/journal/x'), raised('storage-missing-file'));
      assert.deepEqual(await storage.list('locks/'), []);
    } finally {
      foreign.closeAllConnections();
      await new Promise((resolve) => foreign.close(resolve));
    }
  });

  test('learns sizes one by one from servers of the first version', async () => {
    const ids = ['1', '2', '3'].map((n) => sha256(Buffer.from(n)));
    const old = createServer((request, response) => {
      if (request.url === '/data/') {
        response.writeHead(200, { 'content-type': 'application/vnd.x.restic.rest.v1' });
        return response.end(JSON.stringify(ids));
      }
      const n = ids.findIndex((id) => request.url === `/data/${id}`);
      response.writeHead(200, { 'content-length': n + 10 });
      response.end();
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    try {
      const storage = clientOf(`http://127.0.0.1:${(old.address() as AddressInfo).port}/`);
      const found = (await storage.list('data/')).sort((a, b) => a.size - b.size);
      assert.deepEqual(
        found.map(({ key, size }) => [key.slice(8), size]),
        ids.map((id, n) => [id, n + 10]),
      );
    } finally {
      old.closeAllConnections();
      await new Promise((resolve) => old.close(resolve));
    }
  });

  test('goes on over new connections when the server was started again', async () => {
    const root = join(folder, 'again');
    const first = await serve({ folder: root });
    const storage = clientOf(first.url);
    await storage.create();
    const pack = randomBytes(1000);
    await storage.save(packOf(pack), [pack]);
    await first.stop();
    await assert.rejects(storage.load(packOf(pack)), raised('storage-unreachable'));
    await serve({ folder: root, port: Number(new URL(first.url).port) });
    assert.ok((await storage.load(packOf(pack))).equals(pack));
  });
});
