import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Id } from '../../model/id.ts';
import { type BlobIndex, createBlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import {
  compressedEntryBytes,
  headerFileBytes,
  type PackedBlob,
  plainEntryBytes,
} from '../../repository/pack.ts';
import { type PruneOptions, pruneDefaults, unusedShare } from './options.ts';
import { type PrunePlan, type PruneState, planPrune } from './plan.ts';

const mebibyte = 1024 * 1024;
const idOf = (kind: string, number: number): Id =>
  Buffer.from(`${kind}${number}`.padEnd(32, '.')).toString('hex') as Id;

interface PackSketch {
  /** Numbers of blobs; even ones are data, odd ones trees. */
  readonly blobs: readonly number[];
  readonly compressed?: boolean;
  /** Absent: it is in the storage. */
  readonly missing?: boolean;
  readonly blobBytes?: number;
}

const typeOf = (blob: number): 'data' | 'tree' => (blob % 2 === 0 ? 'data' : 'tree');
/** The size of a blob is the same in all packs, as in a repository written by one program. */
const bytesOf = (blob: number, { blobBytes = 1000 }: PackSketch): number => blobBytes + blob;

function sketch(
  packs: readonly PackSketch[],
  usedBlobs: readonly number[],
  more: Partial<PruneState> = {},
): PruneState {
  const index = createBlobIndex();
  const stored: { id: Id; size: number }[] = [];
  packs.forEach((pack, number) => {
    const { compressed = true, missing = false } = pack;
    let offset = 0;
    const blobs = pack.blobs.map((blob): PackedBlob => {
      const length = bytesOf(blob, pack);
      offset += length;
      const uncompressedLength = compressed ? length : 0;
      return {
        type: typeOf(blob),
        id: idOf('blob', blob),
        offset: offset - length,
        length,
        uncompressedLength,
      };
    });
    const id = idOf('pack', number);
    index.addPack({ id, blobs });
    const entryBytes = blobs.length * (compressed ? compressedEntryBytes : plainEntryBytes);
    if (!missing) stored.push({ id, size: offset + headerFileBytes(entryBytes) });
  });
  return { index, used: usedSet(index, usedBlobs), packs: stored, version: 2, ...more };
}

function usedSet(index: BlobIndex, blobs: readonly number[]): EntrySet {
  const used = createEntrySet(index.table.count());
  for (const blob of blobs) {
    const entry = index.table.find(typeOf(blob), Buffer.from(idOf('blob', blob), 'hex'));
    if (entry >= 0) used.add(entry);
  }
  return used;
}

/** The blobs that the repository has once the plan is carried out, and how many times each. */
function blobsAfter({ index }: PruneState, plan: PrunePlan): Map<Id, number> {
  const gone = new Set([...plan.repack, ...plan.remove, ...plan.forget]);
  const copies = new Map<Id, number>();
  for (let entry = 0; entry < index.table.count(); entry++) {
    const stays =
      !gone.has(index.table.packOf(entry)) || (plan.repack.length > 0 && plan.transfer.has(entry));
    const { id } = index.blobAt(entry);
    if (stays) copies.set(id, (copies.get(id) ?? 0) + 1);
  }
  return copies;
}

const everything: PruneOptions = { ...pruneDefaults, maxUnusedBytes: unusedShare(0) };

describe('planning a prune', () => {
  test('never drops a blob in use, whatever the packs and options', () => {
    const blob = fc.integer({ min: 0, max: 25 });
    const pack = fc.record({
      blobs: fc.array(blob, { minLength: 1, maxLength: 8 }),
      compressed: fc.boolean(),
      missing: fc.integer({ min: 0, max: 30 }).map((n) => n === 0),
      blobBytes: fc.constantFrom(1000, mebibyte),
    });
    const options = fc.record({
      maxUnusedBytes: fc.constantFrom(
        unusedShare(0),
        unusedShare(0.05),
        () => 5000,
        () => Number.POSITIVE_INFINITY,
      ),
      maxRepackBytes: fc.constantFrom(0, 10_000, 8 * mebibyte, Number.POSITIVE_INFINITY),
      repackCacheableOnly: fc.boolean(),
      repackUncompressed: fc.boolean(),
      smallPackBytes: fc.constantFrom(0, 0, 10_000, 8 * mebibyte),
    });
    const version = fc.constantFrom<1 | 2>(1, 2);
    fc.assert(
      fc.property(
        fc.array(pack, { maxLength: 24 }),
        fc.array(blob),
        options,
        version,
        (packs, used, given, v) => {
          const state = sketch(packs, used, { version: v });
          let plan: PrunePlan;
          try {
            plan = planPrune(state, given);
          } catch (error) {
            assert.ok(
              packs.some(({ missing }) => missing),
              String(error),
            );
            return;
          }
          const after = blobsAfter(state, plan);
          const inUse = new Set(
            used.map((number) => idOf('blob', number)).filter((id) => hasBlob(state, id)),
          );
          for (const id of inUse) assert.ok(after.has(id), `blob ${id} is lost`);
          const { blobs, bytes, packfiles } = plan.stats;
          assert.equal(blobs.used, inUse.size);
          assert.equal(blobs.total, state.index.table.count());
          assert.ok(bytes.remaining >= bytes.used && bytes.remaining_unused >= 0);
          assert.equal(packfiles.keep + packfiles.repack + packfiles.remove, state.packs.length);
          if (
            given.maxUnusedBytes(1000) === 0 &&
            given.maxRepackBytes === Number.POSITIVE_INFINITY &&
            !given.repackCacheableOnly
          ) {
            assert.equal(bytes.remaining_unused, 0);
            assert.deepEqual(new Set(after.keys()), inUse);
            for (const copies of after.values()) assert.equal(copies, 1);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  function hasBlob({ index }: PruneState, id: Id): boolean {
    return (['data', 'tree'] as const).some((type) => index.findAll(type, id).length > 0);
  }

  test('keeps packs that are all in use, removes those with nothing in use, repacks the rest', () => {
    const state = sketch([{ blobs: [0, 2] }, { blobs: [4, 6] }, { blobs: [8, 10] }], [0, 2, 4]);
    const plan = planPrune(state, everything);
    assert.deepEqual([plan.repack, plan.remove, plan.unreferenced], [[1], [2], []]);
    assert.equal(plan.stats.packfiles.keep, 1);
    assert.equal(plan.transfer.size(), 1);
  });

  test('tolerates the unused data that it is told to', () => {
    const state = sketch([{ blobs: [0, 2, 4, 6], blobBytes: mebibyte }], [0, 2, 4]);
    assert.deepEqual(
      planPrune(state, { ...everything, maxUnusedBytes: () => 2 * mebibyte, smallPackBytes: 1 }).repack,
      [],
    );
    assert.deepEqual(planPrune(state, { ...everything, maxUnusedBytes: () => mebibyte }).repack, [0]);
  });

  test('repacks the packs with the largest unused part first, and no more bytes than allowed', () => {
    const packs = [{ blobs: [0, 2, 4, 6] }, { blobs: [8, 10, 12, 14] }, { blobs: [16, 18, 20, 22] }];
    const state = sketch(packs, [0, 2, 4, 8, 16, 18]);
    const { repack } = planPrune(state, { ...everything, maxRepackBytes: 5000 });
    assert.deepEqual(repack, [1]);
  });

  test('keeps one of several copies: that in a pack which is needed anyway', () => {
    const plan = planPrune(sketch([{ blobs: [0, 2] }, { blobs: [0, 4] }], [0, 4]), everything);
    assert.deepEqual([plan.repack, plan.remove], [[], [0]]);
  });

  test('keeps what an interrupted prune repacked, and drops the packs that it came from', () => {
    const plan = planPrune(
      sketch([{ blobs: [0, 2] }, { blobs: [0] }, { blobs: [4, 6] }], [0, 4, 6]),
      everything,
    );
    assert.deepEqual([plan.repack, plan.remove], [[], [0]]);
  });

  test('joins small packs once there are ten of them', () => {
    const packs = (number: number): PackSketch[] =>
      Array.from({ length: number }, (_, n) => ({ blobs: [2 * n] }));
    const used = Array.from({ length: 20 }, (_, n) => n);
    assert.equal(planPrune(sketch(packs(9), used), everything).repack.length, 0);
    assert.equal(planPrune(sketch(packs(10), used), everything).repack.length, 10);
  });

  test('repacks packs that mix trees and data, and uncompressed trees where the version compresses', () => {
    assert.deepEqual(planPrune(sketch([{ blobs: [0, 1] }], [0, 1]), everything).repack, [0]);
    const plain = [
      { blobs: [1], compressed: false },
      { blobs: [2], compressed: false },
    ];
    assert.deepEqual(planPrune(sketch(plain, [1, 2]), everything).repack, [0]);
    assert.deepEqual(
      planPrune(sketch(plain, [1, 2]), { ...everything, repackUncompressed: true }).repack,
      [0, 1],
    );
    assert.deepEqual(planPrune(sketch(plain, [1, 2], { version: 1 }), everything).repack, []);
  });

  test('removes packs that no index names first', () => {
    const state = sketch([{ blobs: [0] }], [0]);
    const lost = { id: idOf('lost', 1), size: 77 };
    const plan = planPrune({ ...state, packs: [...state.packs, lost] }, everything);
    assert.deepEqual(plan.unreferenced, [lost.id]);
    assert.equal(plan.stats.bytes.unreferenced, 77);
  });

  test('stops where a pack in use is missing or has another size, and forgets one that nothing needs', () => {
    assert.throws(() => planPrune(sketch([{ blobs: [0], missing: true }], [0]), everything), {
      code: 'repository-damaged',
      message: /are missing/,
    });
    assert.deepEqual(planPrune(sketch([{ blobs: [0], missing: true }], []), everything).forget, [0]);
    const state = sketch([{ blobs: [0] }], [0]);
    const longer = state.packs.map(({ id, size }) => ({ id, size: size + 1 }));
    assert.throws(() => planPrune({ ...state, packs: longer }, everything), { code: 'repository-damaged' });
  });

  describe('where packs can be locked', () => {
    const locksOf = (locked: readonly number[], held: readonly number[] = []) => {
      const ids = (numbers: readonly number[]) => new Set(numbers.map((number) => idOf('pack', number)));
      const [lockedIds, heldIds] = [ids([...locked, ...held]), ids(held)];
      return { isLocked: (id: Id) => lockedIds.has(id), isHeld: (id: Id) => heldIds.has(id) };
    };

    test('never drops a blob in use, never removes what is locked, never repacks what is held', () => {
      const numbers = fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 6 });
      const pack = fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(
          fc.array(pack, { maxLength: 12 }),
          numbers,
          numbers,
          numbers,
          (packs, used, locked, held) => {
            const locks = locksOf(locked, held);
            const state = sketch(
              packs.map((blobs) => ({ blobs })),
              used,
              { locks },
            );
            const plan = planPrune(state, everything);
            const after = blobsAfter(state, plan);
            for (const number of used)
              if (hasBlob(state, idOf('blob', number))) assert.ok(after.has(idOf('blob', number)));
            const nameOf = state.index.packId;
            assert.ok(!plan.remove.some((number) => locks.isLocked(nameOf(number))));
            assert.ok(!plan.repack.some((number) => locks.isHeld(nameOf(number))));
            const named = new Set(plan.locked.map(({ id }) => id));
            for (const number of plan.repack)
              assert.equal(named.has(nameOf(number)), locks.isLocked(nameOf(number)));
            const { keep, repack, remove } = plan.stats.packfiles;
            assert.equal(keep + repack + remove, state.packs.length);
          },
        ),
        { numRuns: 300 },
      );
    });

    test('leaves what is unused and locked in the index, and tells of it', () => {
      const packs = [{ blobs: [0] }, { blobs: [2] }, { blobs: [4] }];
      const state = sketch(packs, [0], { locks: locksOf([1]) });
      const plan = planPrune(state, everything);
      assert.deepEqual([plan.remove, plan.repack], [[2], []]);
      assert.deepEqual(plan.locked, [state.packs[1]]);
    });

    test('does not take what is locked for a reason to repack more', () => {
      const large = { blobBytes: 5 * mebibyte };
      const packs = [
        { blobs: [0, 2], ...large },
        { blobs: [4, 6], ...large },
      ];
      const options = { ...everything, maxUnusedBytes: () => 6 * mebibyte, smallPackBytes: 1 };
      assert.deepEqual(planPrune(sketch(packs, [0, 2, 4]), options).repack, []);
      assert.deepEqual(
        planPrune(sketch([...packs, { blobs: [8], ...large }], [0, 2, 4]), options).repack,
        [],
      );
      const locked = sketch([...packs, { blobs: [8], ...large }], [0, 2, 4], { locks: locksOf([2]) });
      assert.deepEqual(planPrune(locked, options).repack, []);
    });

    test('leaves unreferenced packs that are locked', () => {
      const state = sketch([{ blobs: [0] }], [0], { locks: locksOf([7, 8]) });
      const lost = [7, 9].map((number) => ({ id: idOf('pack', number), size: 100 }));
      const plan = planPrune({ ...state, packs: [...state.packs, ...lost] }, everything);
      assert.deepEqual(plan.unreferenced, [idOf('pack', 9)]);
      assert.deepEqual(plan.locked, [lost[0]]);
      assert.equal(plan.stats.bytes.unreferenced, 100);
    });

    test('repacks only what is worth it where packs stay for long', () => {
      const large = { blobBytes: 5 * mebibyte };
      const packs = [
        { blobs: [0, 2, 4], ...large },
        { blobs: [6, 8, 10], ...large },
      ];
      const state = sketch(packs, [0, 2, 6]);
      const options = { ...everything, smallPackBytes: 1 };
      assert.deepEqual(planPrune(state, options).repack, [1, 0]);
      assert.deepEqual(planPrune(state, { ...options, repackUnusedMin: 0.5 }).repack, [1]);
    });
  });
});
