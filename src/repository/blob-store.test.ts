import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryStorage } from '../../test/damage/memory-storage.ts';
import { createCheapRepository } from '../../test/repositories/cheap.ts';
import { hasCode, LifeboatError } from '../core/errors.ts';
import { encodeTree } from '../model/tree.ts';
import type { Storage } from '../storage/storage.ts';
import { openBlobReader } from './blob-reader.ts';
import { type BlobStore, openBlobStore, type StoreOptions } from './blob-store.ts';
import { loadIndex } from './index/blob-index.ts';
import { listFiles, type Repository } from './repository.ts';
import { unpackedFiles } from './unpacked.ts';

const packBytes = 64 * 1024;

/** A repository in memory, with some of its storage's methods replaced, that notes what is saved. */
async function sample(
  change: (storage: Storage) => Partial<Storage> = () => ({}),
): Promise<{ repository: Repository; saved: string[] }> {
  const sound = memoryStorage();
  const created = await createCheapRepository(sound);
  const saved: string[] = [];
  const changed = { ...sound, ...change(sound) };
  const storage: Storage = {
    ...changed,
    async save(key, parts) {
      await changed.save(key, parts);
      saved.push(key.slice(0, key.indexOf('/')));
    },
  };
  const files = unpackedFiles(storage, created.sealer, () => 2);
  return { repository: { ...created, storage, files }, saved };
}

async function withStore<T>(
  repository: Repository,
  options: StoreOptions,
  work: (store: BlobStore) => Promise<T>,
): Promise<T> {
  const store = openBlobStore(repository, await loadIndex(repository), { packBytes, workers: 2, ...options });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const refuse = () => {
  throw new LifeboatError('storage-full', 'as if the disk were full');
};

describe('a blob store', () => {
  test('stores each blob once, gives all back, and writes the index after the packs', async () => {
    const { repository, saved } = await sample();
    const blobs = Array.from({ length: 60 }, (_, n) => randomBytes(n * 200));
    const tree = encodeTree([]);
    const { ids, treeId } = await withStore(repository, {}, async (store) => {
      const twice = await Promise.all([...blobs, ...blobs].map((bytes) => store.saveData(bytes)));
      const first = store.saveTree(tree);
      assert.deepEqual(store.saveTree(tree), { id: first.id, isNew: false });
      const totals = await store.finish();
      assert.equal(totals.dataBlobs, blobs.length);
      assert.equal(totals.treeBlobs, 1);
      assert.deepEqual(twice.slice(0, 60), twice.slice(60));
      return { ids: twice.slice(0, 60), treeId: first.id };
    });
    assert.ok(saved.filter((kind) => kind === 'data').length > 3, 'several packs');
    assert.equal(saved.indexOf('index'), saved.lastIndexOf('data') + 1);

    const reader = openBlobReader(repository, await loadIndex(repository));
    for (const [n, id] of ids.entries()) assert.ok((await reader.loadBlob('data', id)).equals(blobs[n]!));
    assert.deepEqual(await reader.loadTree(treeId), []);
    reader.close();

    await withStore(repository, {}, async (store) => {
      await Promise.all(blobs.map((bytes) => store.saveData(bytes)));
      assert.equal((await store.finish()).dataBlobs, 0, 'a later store knows them all');
    });
  });

  test('says why it failed when packs cannot be stored, and writes no index', async () => {
    const { repository, saved } = await sample((storage) => ({
      save: (key, parts) => (key.startsWith('data/') ? refuse() : storage.save(key, parts)),
    }));
    await withStore(repository, {}, async (store) => {
      const work = async (): Promise<void> => {
        for (let n = 0; n < 50; n++) await store.saveData(randomBytes(10_000));
        await store.finish();
      };
      await assert.rejects(work(), (error) => hasCode(error, 'storage-full'));
      await assert.rejects(store.finish(), (error) => hasCode(error, 'storage-full'));
    });
    assert.ok(!saved.includes('index'));
  });

  test('says why it failed when the index cannot be stored', async () => {
    const { repository } = await sample((storage) => ({
      save: (key, parts) => (key.startsWith('index/') ? refuse() : storage.save(key, parts)),
    }));
    await withStore(repository, {}, async (store) => {
      await store.saveData(randomBytes(100));
      await assert.rejects(store.finish(), (error) => hasCode(error, 'storage-full'));
    });
  });

  test('that is closed early leaves packs, and no index unless it is to keep what is stored', async () => {
    for (const keeps of [false, true]) {
      const { repository, saved } = await sample();
      const bytes = Array.from({ length: 30 }, () => randomBytes(10_000));
      await withStore(repository, {}, async (store) => {
        for (const one of bytes) await store.saveData(one);
        while (!saved.includes('data')) await sleep(5);
        if (keeps) await store.keepStored();
      });
      const packs = await listFiles(repository.storage, 'data');
      assert.ok(packs.length > 0);
      const index = await loadIndex(repository);
      assert.equal(index.packCount(), keeps ? packs.length : 0);
    }
  });

  test('writes nothing before it may, and nothing at all where it may not', async () => {
    const { repository, saved } = await sample();
    const may = Promise.withResolvers<void>();
    await withStore(repository, { mayWrite: may.promise }, async (store) => {
      // Not awaited yet: workers wait when their packs are full, which is what bounds memory.
      const blobs = Array.from({ length: 20 }, () => store.saveData(randomBytes(10_000)));
      await sleep(100);
      assert.equal(saved.length, 0);
      may.resolve();
      await Promise.all(blobs);
      await store.finish();
      assert.ok(saved.includes('data') && saved.includes('index'));
    });

    const refused = await sample();
    const mayNot = Promise.reject(new LifeboatError('repository-locked', 'somebody was faster'));
    mayNot.catch(() => undefined); // awaited by the store
    await withStore(refused.repository, { mayWrite: mayNot }, async (store) => {
      const work = async (): Promise<void> => {
        for (let n = 0; n < 20; n++) await store.saveData(randomBytes(10_000));
        await store.finish();
      };
      await assert.rejects(work(), (error) => hasCode(error, 'repository-locked'));
      await store.keepStored();
    });
    assert.deepEqual(refused.saved, []);
  });

  test('touches the table no more once it closes: a worker may have ended inside its lock', async () => {
    const saving = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const { repository, saved } = await sample((storage) => ({
      async save(key, parts) {
        if (key.startsWith('data/')) {
          begun.resolve();
          await saving.promise;
        }
        await storage.save(key, parts);
      },
    }));
    const index = await loadIndex(repository);
    const store = openBlobStore(repository, index, { packBytes, workers: 1 });
    const adding = Array.from({ length: 20 }, () => store.saveData(randomBytes(20_000)));
    for (const added of adding) added.catch(() => undefined);
    await begun.promise;
    const kept = store.keepStored();
    index.table.settle = () => assert.fail('an entry was settled');
    saving.resolve();
    await kept;
    assert.ok(saved.includes('data') && saved.includes('index'), 'what was under way is stored and indexed');
    assert.throws(
      () => store.saveTree(encodeTree([])),
      (error) => hasCode(error, 'cancelled'),
    );
  });
});
