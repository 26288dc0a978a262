import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { copySnapshots } from '../../src/engine/copy/copy.ts';
import { executePrune } from '../../src/engine/prune/execute.ts';
import { pruneDefaults, unusedShare } from '../../src/engine/prune/options.ts';
import { preparePrune } from '../../src/engine/prune/prune.ts';
import type { Id } from '../../src/model/id.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { openBlobStore } from '../../src/repository/blob-store.ts';
import { type BlobIndex, loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots, removeSnapshot } from '../../src/repository/snapshots.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { memoryStorage } from './memory-storage.ts';
import { makeSample } from './sample.ts';

const sample = await makeSample('transfer');

/** Flips a bit in one data blob of a pack. */
function damagePack(objects: Map<string, Buffer>, index: BlobIndex, pack: Id, blob: Id): void {
  const place = index.findAll('data', blob).find(({ packId }) => packId === pack)!;
  const bytes = Buffer.from(objects.get(keyOf('data', pack))!);
  bytes[place.offset + 20]! ^= 1;
  objects.set(keyOf('data', pack), bytes);
}

/** Some data blob that the latest snapshot needs. */
async function neededBlob(repository: Repository, index: BlobIndex): Promise<{ id: Id; pack: Id }> {
  const { snapshots } = await listSnapshots(repository);
  const reader = openBlobReader(repository, index);
  const waiting = [snapshots.at(-1)!.tree!];
  for (const tree of waiting) {
    for (const { content, subtree } of await reader.loadTree(tree)) {
      if (subtree) waiting.push(subtree);
      const id = content?.[0];
      if (id) return { id, pack: index.find('data', id)!.packId };
    }
  }
  throw new Error('the sample has no data');
}

/** Stores all blobs of a pack a second time, in a pack of their own. */
async function duplicatePack(repository: Repository, pack: Id): Promise<void> {
  const index = await loadIndex(repository);
  const store = openBlobStore(repository, index, { workers: 1 });
  try {
    const number = index.knownPackNumber(pack)!;
    const blobs = index.entriesByPack().get(number)!.map(index.blobAt);
    const source = { bytes: await repository.storage.load(keyOf('data', pack)), offset: 0 };
    await store.transfer({ source, packName: pack, blobs, foreign: null });
    await store.finish();
  } finally {
    await store.close();
  }
}

async function assertAllReadable(repository: Repository): Promise<void> {
  const index = await loadIndex(repository);
  const reader = openBlobReader(repository, index);
  for (let entry = 0; entry < index.table.count(); entry++) {
    const { type, id } = index.blobAt(entry);
    await reader.loadBlob(type, id);
  }
}

const all = { ...pruneDefaults, maxUnusedBytes: unusedShare(0), smallPackBytes: 2 ** 30 };

describe('a damaged blob', () => {
  test('that is in use ends a prune before anything is removed', async () => {
    const storage = sample.storage.copy();
    const repository = sample.on(storage);
    await removeSnapshot(repository, (await listSnapshots(repository)).snapshots[0]!.id);
    const { index, plan } = await preparePrune(repository, all);
    const moved = Array.from({ length: index.table.count() }, (_, entry) => entry).find(
      (entry) => plan.transfer.has(entry) && index.table.typeOf(entry) === 'data',
    );
    const { id } = index.blobAt(moved!);
    damagePack(storage.objects, index, index.packId(index.table.packOf(moved!)), id);

    const before = new Set(storage.objects.keys());
    await assert.rejects(executePrune(repository, index, plan), {
      code: 'repository-damaged',
      message: new RegExp(id),
    });
    for (const key of before) assert.ok(storage.objects.has(key), `${key} was removed`);
  });

  test('ends a copy, with no snapshot saved', async () => {
    const storage = sample.storage.copy();
    const source = sample.on(storage);
    const index = await loadIndex(source);
    const needed = await neededBlob(source, index);
    damagePack(storage.objects, index, needed.pack, needed.id);
    const destination = await createCheapRepository(memoryStorage());
    const { snapshots } = await listSnapshots(source);
    await assert.rejects(copySnapshots(source, destination, snapshots), { code: 'repository-damaged' });
    assert.deepEqual((await listSnapshots(destination)).snapshots, []);
  });

  test('does not matter to a copy where another pack has it intact', async () => {
    const storage = sample.storage.copy();
    const source = sample.on(storage);
    const needed = await neededBlob(source, await loadIndex(source));
    await duplicatePack(source, needed.pack);
    const index = await loadIndex(source);
    assert.equal(index.findAll('data', needed.id).length, 2);
    for (const { packId } of index.findAll('data', needed.id)) {
      const damaged = storage.copy();
      damagePack(damaged.objects, index, packId, needed.id);
      const destination = await createCheapRepository(memoryStorage());
      const { snapshots } = await listSnapshots(source);
      await copySnapshots(sample.on(damaged), destination, snapshots);
      assert.equal((await listSnapshots(destination)).snapshots.length, snapshots.length);
      await assertAllReadable(destination);
    }
  });
});

describe('prune', () => {
  test('leaves every blob readable and nothing unused, also where storage has no local files', async () => {
    for (const version of [1, 2] as const) {
      const own = await makeSample(`prune ${version}`, version);
      const repository = own.on(own.storage);
      const { snapshots } = await listSnapshots(repository);
      await removeSnapshot(repository, snapshots[0]!.id);
      await removeSnapshot(repository, snapshots[1]!.id);
      const { index, plan } = await preparePrune(repository, all);
      assert.ok(plan.repack.length > 0 && plan.stats.blobs.unused > 0);
      const report = await executePrune(repository, index, plan);
      assert.deepEqual(report.leftOver, []);
      await assertAllReadable(repository);
      const again = await preparePrune(repository, all);
      assert.equal(again.plan.stats.blobs.unused + again.plan.stats.blobs.duplicate, 0);
      assert.deepEqual(again.plan.unreferenced, []);
    }
  });
});
