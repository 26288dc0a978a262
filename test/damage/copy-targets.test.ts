import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { copySnapshots, copyToTargets } from '../../src/engine/copy/copy.ts';
import type { StoredSnapshot } from '../../src/model/snapshot.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { memoryStorage } from './memory-storage.ts';
import { makeSample, type Sample } from './sample.ts';

let sample: Sample;
let snapshots: readonly StoredSnapshot[];
before(async () => {
  sample = await makeSample('copy targets');
  snapshots = (await listSnapshots(sample.on(sample.storage))).snapshots;
});

/** The source, and how often its packs of content were read. */
function counted(): { readonly source: Repository; reads(): number } {
  let reads = 0;
  const storage: Storage = {
    ...sample.storage,
    load(key, range, facts) {
      // Trees are also read to find out what snapshots need, in an order that differs.
      if (key.startsWith('data/') && !facts?.holdsTrees) reads++;
      return sample.storage.load(key, range);
    },
  };
  return { source: sample.on(storage), reads: () => reads };
}

/** Every blob of a repository can be read, and none is there twice. */
async function isWhole(repository: Repository): Promise<void> {
  assert.equal((await listSnapshots(repository)).snapshots.length, snapshots.length);
  const index = await loadIndex(repository);
  const reader = openBlobReader(repository, index);
  const ids = new Set<string>();
  for (let entry = 0; entry < index.table.count(); entry++) {
    const { type, id } = index.blobAt(entry);
    await reader.loadBlob(type, id);
    ids.add(`${type} ${id}`);
  }
  assert.equal(ids.size, index.table.count());
  const wanted = await loadIndex(sample.on(sample.storage));
  assert.ok(ids.size <= wanted.table.count());
}

const targetOf = async (name: string, lacking = snapshots, storage: Storage = memoryStorage()) => ({
  name,
  repository: await createCheapRepository(storage),
  snapshots: lacking,
});

describe('a copy to several targets', () => {
  test('reads the source once for all of them', async () => {
    const one = counted();
    await copyToTargets(one.source, [await targetOf('one')]);
    const two = counted();
    const targets = [await targetOf('one'), await targetOf('two')];
    const outcomes = await copyToTargets(two.source, targets);
    assert.ok(one.reads() > 0);
    assert.equal(two.reads(), one.reads());
    for (const { copied, failure } of outcomes) assert.deepEqual([copied.length, failure], [3, null]);
    for (const { repository } of targets) await isWhole(repository);
  });

  test('brings each what it lacks, whatever the others have', async () => {
    const source = sample.on(sample.storage);
    const ahead = await targetOf('ahead');
    await copySnapshots(source, ahead.repository, snapshots.slice(0, 2));
    const behind = await targetOf('behind');
    const outcomes = await copyToTargets(source, [
      { ...ahead, snapshots: snapshots.slice(2) },
      behind,
      { ...(await targetOf('complete')), snapshots: [] },
    ]);
    assert.deepEqual(
      outcomes.map(({ name, copied }) => [name, copied.length]),
      [
        ['ahead', 1],
        ['behind', 3],
        ['complete', 0],
      ],
    );
    await isWhole(ahead.repository);
    await isWhole(behind.repository);
  });

  test('is not stopped by one that fails, at whatever point', async () => {
    const full = new LifeboatError('storage-full', 'there is no room');
    for (const failing of ['data/', 'index/', 'snapshots/']) {
      const memory = memoryStorage();
      const broken = await targetOf('broken', snapshots, {
        ...memory,
        save: (key, parts) => (key.startsWith(failing) ? Promise.reject(full) : memory.save(key, parts)),
      });
      const good = await targetOf('good');
      const [first, second] = await copyToTargets(sample.on(sample.storage), [broken, good]);
      assert.equal(first!.failure, full, failing);
      assert.deepEqual([second!.failure, second!.copied.length], [null, 3]);
      await isWhole(good.repository);
      assert.deepEqual((await listSnapshots(broken.repository)).snapshots, []);
    }
  });

  test('that all fail ends with the failure of each', async () => {
    const refusing = async (name: string) => {
      const memory = memoryStorage();
      const failure = new LifeboatError('storage-denied', name);
      const save: Storage['save'] = (key, parts) =>
        key.startsWith('data/') ? Promise.reject(failure) : memory.save(key, parts);
      return targetOf(name, snapshots, { ...memory, save });
    };
    const outcomes = await copyToTargets(sample.on(sample.storage), [
      await refusing('a'),
      await refusing('b'),
    ]);
    assert.deepEqual(
      outcomes.map(({ failure }) => (failure as Error).message),
      ['a', 'b'],
    );
  });

  test('ends for a target whose lock is lost, before its snapshots are saved', async () => {
    const lost = new LifeboatError('lock-lost', 'the lock was removed');
    const locked = { ...(await targetOf('locked')), signal: AbortSignal.abort(lost) };
    const good = await targetOf('good');
    const [first, second] = await copyToTargets(sample.on(sample.storage), [locked, good]);
    assert.equal(first!.failure, lost);
    assert.equal(second!.failure, null);
    assert.deepEqual((await listSnapshots(locked.repository)).snapshots, []);
  });

  test('is stopped by its signal, and keeps what was stored', async () => {
    const stop = new AbortController();
    const targets = [await targetOf('one'), await targetOf('two')];
    const copying = copyToTargets(sample.on(sample.storage), targets, {
      signal: stop.signal,
      events: { onPack: () => stop.abort(new LifeboatError('cancelled', 'stop')) },
    });
    await assert.rejects(copying, { code: 'cancelled' });
    for (const { repository } of targets) {
      const index = await loadIndex(repository);
      const packs = (await repository.storage.list('data/')).length;
      assert.equal(index.packCount(), packs, 'every pack that is stored is in the index');
    }
    await copyToTargets(sample.on(sample.storage), targets);
    for (const { repository } of targets) await isWhole(repository);
  });
});
