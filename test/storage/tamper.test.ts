import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startRestServer } from '../../src/app/rest-server/server.ts';
import { hasCode } from '../../src/core/errors.ts';
import { testTampering } from '../../src/engine/immutability/tamper.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { parseRestLocation } from '../../src/storage/rest/location.ts';
import { restStorage } from '../../src/storage/rest/rest.ts';

const folder = mkdtempSync(join(tmpdir(), 'tamper-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function serve(name: string, appendOnly: boolean) {
  const server = await startRestServer({
    folder: join(folder, name),
    host: '127.0.0.1',
    port: 0,
    htpasswdFile: null,
    appendOnly,
    privateRepositories: false,
    tls: null,
    bytesMax: null,
    onProblem: () => undefined,
  });
  const storage = restStorage(parseRestLocation(`rest:${server.url}app/`), {
    user: null,
    password: null,
    authorities: [],
    clientCertificate: null,
    insecureTls: false,
    connections: 5,
    stuckMs: 20_000,
    userAgent: 'test',
  });
  await storage.create();
  return {
    storage,
    async close() {
      storage.close();
      await server.stop();
    },
  };
}

const outcomes = ({ results }: Awaited<ReturnType<typeof testTampering>>) =>
  Object.fromEntries(results.map(({ attempt, outcome }) => [attempt, outcome]));

describe('the tamper test', () => {
  test('finds an append-only server to protect, and leaves one canary there, however often it is run', async () => {
    const { storage, close } = await serve('append-only', true);
    for (let n = 0; n < 3; n++) {
      const report = await testTampering(storage);
      assert.deepEqual(outcomes(report), { overwrite: 'refused', delete: 'refused' });
      assert.equal(report.protects, true);
      assert.equal(report.protection, 'none');
      assert.equal(report.mayListVersions, null);
    }
    assert.equal((await storage.list('lifeboat/canary/')).length, 1);
    // What a receiver of log replaces all the time is replaced there, too.
    const heartbeat = 'lifeboat/journal/app/7001/heartbeat';
    for (const content of ['one', 'two']) await storage.save(heartbeat, [Buffer.from(content)]);
    assert.equal(String(await storage.load(heartbeat)), 'two');
    await assert.rejects(storage.remove(heartbeat), (error) => hasCode(error, 'storage-append-only'));
    await close();
  });

  test('finds other servers and folders to protect nothing, and leaves nothing there', async () => {
    const { storage, close } = await serve('free', false);
    const local = localStorage(join(folder, 'local'));
    await local.create();
    for (const place of [storage, local]) {
      const report = await testTampering(place);
      assert.deepEqual(outcomes(report), { overwrite: 'destroyed', delete: 'destroyed' });
      assert.equal(report.protects, false);
      assert.deepEqual(await place.list('lifeboat/canary/'), []);
    }
    await close();
  });
});
