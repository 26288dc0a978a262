import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fakeGcs, startEmulator } from '../gcs/emulator.ts';
import { makeExchanges } from '../gcs/exchanges.ts';
import { connectTo } from '../gcs/place.ts';
import { lifeboat, missing, newestRestic, succeed } from '../programs.ts';
import { testStorage } from '../storage/contract.ts';

/** The emulator whose recorded answers all other tests of Google Cloud Storage run on. */
const emulator = missing(fakeGcs) ? null : await startEmulator();
after(() => emulator?.stop());

if (emulator)
  testStorage('gs of fake-gcs-server', async () => {
    return {
      connect: () => connectTo(emulator.endpoint, 'contract:/some/prefix'),
      refusesSecond: true,
      close: async () => {},
    };
  });

describe('fake-gcs-server', { skip: missing(fakeGcs) }, () => {
  test('still answers as it did when its answers were recorded', async () => {
    const recorded = readFileSync(join(import.meta.dirname, '..', 'gcs', 'recorded.json'), 'utf8');
    assert.deepEqual(await makeExchanges(emulator!.endpoint), JSON.parse(recorded));
  });

  test('keeps the classes of objects', async () => {
    const storage = connectTo(emulator!.endpoint, 'classes:/', { storageClass: 'COLDLINE' });
    await storage.create();
    await storage.save('data/aa/content', [Buffer.from('x')]);
    await storage.save('index/i', [Buffer.from('x')]);
    const classOf = async (name: string): Promise<unknown> => {
      const url = `${emulator!.endpoint}/storage/v1/b/classes/o/${encodeURIComponent(name)}`;
      return ((await (await fetch(url)).json()) as { storageClass: unknown }).storageClass;
    };
    assert.equal(await classOf('data/aa/content'), 'COLDLINE');
    assert.equal(await classOf('index/i'), 'STANDARD');
  });

  test('serves the newest restic and Lifeboat in turns', { skip: missing(newestRestic) }, async () => {
    const env = {
      STORAGE_EMULATOR_HOST: emulator!.endpoint.replace('http://', ''),
      GOOGLE_PROJECT_ID: 'a-project',
      GOOGLE_ACCESS_TOKEN: 'any',
    };
    const place = { repository: 'gs:turns:/repository', env };
    await succeed(lifeboat(), ['init'], place);
    await succeed(newestRestic, ['backup', import.meta.dirname], place);
    await succeed(lifeboat(), ['backup', import.meta.dirname], place);
    await succeed(newestRestic, ['check', '--read-data'], place);
    await succeed(lifeboat(), ['check', '--read-data'], place);
  });
});
