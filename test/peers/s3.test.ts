import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { lifeboat, missing, newestRestic, type Program, succeed } from '../programs.ts';
import { connectTo } from '../s3/place.ts';
import { testStorage } from '../storage/contract.ts';

/** A second opinion on what S3 is: another server than the one that all other tests run on. */
const versitygw: Program = { name: 'versitygw', path: process.env.LIFEBOAT_TEST_VERSITYGW ?? '' };

interface Server {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

const folder = mkdtempSync(join(tmpdir(), 's3-peer-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function startServer(): Promise<Server> {
  const port = await freePort();
  const data = join(folder, 'data');
  mkdirSync(data);
  const keys = { accessKey: 'AKIDPEER', secretKey: 'secret-of-the-peer' };
  const child = spawn(versitygw.path, ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', data], {
    env: { PATH: process.env.PATH, ROOT_ACCESS_KEY: keys.accessKey, ROOT_SECRET_KEY: keys.secretKey },
    stdio: 'ignore',
  });
  after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  const endpoint = `http://127.0.0.1:${port}`;
  for (let n = 0; n < 100; n++) {
    if (
      await fetch(endpoint).then(
        () => true,
        () => false,
      )
    )
      return { endpoint, ...keys };
    await sleep(50);
  }
  throw new Error('versitygw does not start');
}

const server = missing(versitygw) ? null : await startServer();

if (server)
  testStorage('s3 of versitygw', async () => {
    await connectTo(server, 'contract').create();
    return { connect: () => connectTo(server, 'contract/some/prefix'), close: async () => {} };
  });

describe('versitygw', { skip: missing(versitygw) }, () => {
  test('keeps large objects in parts, and forgets those that were not finished', async () => {
    const storage = connectTo(server!, 'parts', { multipartFromBytes: 6_000_000 });
    await storage.create();
    const content = Buffer.alloc(40_000_000, 'content in parts ');
    await storage.save('data/aa/parts', [content]);
    assert.ok((await storage.load('data/aa/parts')).equals(content));
    assert.equal(await storage.sweep!(0), 0);
  });

  test('serves the newest restic and Lifeboat in turns', { skip: missing(newestRestic) }, async () => {
    const { endpoint, accessKey, secretKey } = server!;
    const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
    const place = { repository: `s3:${endpoint}/turns/repository`, env };
    await succeed(lifeboat(), ['init'], place);
    await succeed(newestRestic, ['backup', import.meta.dirname], place);
    await succeed(lifeboat(), ['backup', import.meta.dirname], place);
    await succeed(newestRestic, ['check', '--read-data'], place);
    await succeed(lifeboat(), ['check', '--read-data'], place);
  });
});
