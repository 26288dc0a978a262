import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type MemoryStorage, memoryStorage } from '../../test/damage/memory-storage.ts';
import { hasCode } from '../core/errors.ts';
import { sha256 } from '../kernels/sha256.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import { createSealer } from './crypto.ts';
import { generateMasterKey } from './keys.ts';
import { keyOf } from './layout.ts';
import { openConfig, unpackedFiles } from './unpacked.ts';

const sealer = createSealer(generateMasterKey());
const damaged = (error: unknown): boolean => hasCode(error, 'repository-damaged');

function on(storage: MemoryStorage, version: 1 | 2 = 2) {
  return unpackedFiles(storage, sealer, () => version);
}

/** Stores what is to be found behind the seal, under the right name. */
async function plant(storage: MemoryStorage, inside: Uint8Array): Promise<Id> {
  const sealed = sealer.seal(inside);
  const id = idOfBytes(sha256(sealed));
  await storage.save(keyOf('index', id), [sealed]);
  return id;
}

const marked = (...parts: Uint8Array[]): Buffer => Buffer.concat([Buffer.of(2), ...parts]);

describe('a file of one document', () => {
  for (const version of [1, 2] as const) {
    test(`gives back what was saved, in version ${version}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), async (value) => {
          const storage = memoryStorage();
          const document = Buffer.from(JSON.stringify({ value }));
          const id = await on(storage, version).save('snapshots', document);
          assert.deepEqual(Buffer.from(await on(storage, version).load('snapshots', id)), document);
        }),
      );
    });
  }

  test('is compressed in version 2 and not in version 1; the config never is', async () => {
    const document = Buffer.from(`{"text":"${'a'.repeat(100_000)}"}`);
    const storage = memoryStorage();
    const sizeOf = async (id: Id): Promise<number> => (await storage.size(keyOf('index', id)))!;
    assert.ok((await sizeOf(await on(storage, 2).save('index', document))) < 1000);
    assert.equal(await sizeOf(await on(storage, 1).save('index', document)), document.length + 32);
    await on(storage).saveFirstConfig(document);
    assert.equal(await storage.size('config'), document.length + 32);
    assert.deepEqual(Buffer.from(openConfig(sealer, await storage.load('config'))), document);
  });

  test('that is not compressed is read in version 2 as well: restic began so', async () => {
    const storage = memoryStorage();
    for (const json of ['{"a":1}', '[1,2]']) {
      const id = await plant(storage, Buffer.from(json));
      assert.equal(Buffer.from(await on(storage).load('index', id)).toString(), json);
    }
  });

  test('is damaged when a bit changed, when it was cut, or when another lies under its name', async () => {
    const storage = memoryStorage();
    const files = on(storage);
    const id = await files.save('index', Buffer.from('{"packs":[]}'));
    const other = await files.save('index', Buffer.from('{"packs":null}'));
    const key = keyOf('index', id);
    const sound = await storage.load(key);
    const flipped = Buffer.from(sound);
    flipped[20]! ^= 4;
    for (const bytes of [
      flipped,
      sound.subarray(1),
      Buffer.alloc(0),
      await storage.load(keyOf('index', other)),
    ]) {
      await storage.save(key, [bytes]);
      await assert.rejects(files.load('index', id), damaged);
    }
  });

  test('of another repository is damaged, although its hash is right', async () => {
    const storage = memoryStorage();
    const id = await plant(storage, Buffer.from('{}'));
    const stranger = unpackedFiles(storage, createSealer(generateMasterKey()), () => 2);
    await assert.rejects(stranger.load('index', id), damaged);
  });

  test('with another encoding, or a broken or cut frame, is damaged', async () => {
    const storage = memoryStorage();
    const frame = zstdCompressSync(Buffer.from('{"packs":[]}'.repeat(100)));
    for (const inside of [
      Buffer.from([3, 1, 2]),
      Buffer.from('text'),
      marked(randomBytes(100)),
      marked(frame.subarray(0, frame.length - 3)),
    ])
      await assert.rejects(on(storage).load('index', await plant(storage, inside)), damaged);
  });

  test('that is a bomb is refused before its memory is taken, whatever size its frame states', async () => {
    const storage = memoryStorage();
    const zeros = Buffer.alloc(32 * 1024 * 1024);
    const frame = zstdCompressSync(zeros);
    // Single-segment frame that states 8 GiB; then one that states nothing and unpacks to 32 MiB of zeros.
    const stating = Buffer.concat([Buffer.from('28b52ffde0', 'hex'), Buffer.alloc(8)]);
    stating.writeBigUInt64LE(8n * 2n ** 30n, 5);
    const silent = zstdCompressSync(zeros, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
    const before = process.memoryUsage().rss;
    await assert.rejects(on(storage).load('index', await plant(storage, marked(stating, frame))), damaged);
    await assert.rejects(on(storage).load('index', await plant(storage, marked(silent))), damaged);
    assert.ok(process.memoryUsage().rss - before < 256 * 1024 * 1024);
  });

  test('that says less than it unpacks to is damaged', async () => {
    const storage = memoryStorage();
    const frame = Buffer.from(zstdCompressSync(Buffer.from('x'.repeat(200))));
    assert.equal(frame[4]! & 0xe0, 0x20, 'a single segment whose size is one byte');
    frame[5] = 10;
    await assert.rejects(on(storage).load('index', await plant(storage, marked(frame))), damaged);
  });
});
