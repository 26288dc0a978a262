import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Id } from '../../model/id.ts';
import { createBlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet } from '../../repository/index/entry-set.ts';
import type { BlobType } from '../../repository/index/table.ts';
import { planExport } from './plan.ts';

const idOf = (name: string): Id => Buffer.from(name.padEnd(32)).toString('hex') as Id;

/** Packs by name, each with its blobs by name; those in capitals are trees. */
function planOf(packs: Readonly<Record<string, string>>, used: string, wholePacks = false) {
  const index = createBlobIndex();
  const typeOf = (blob: string): BlobType => (blob === blob.toUpperCase() ? 'tree' : 'data');
  for (const [pack, blobs] of Object.entries(packs))
    index.addPack({
      id: idOf(pack),
      blobs: [...blobs].map((blob, at) => ({
        ...{ type: typeOf(blob), id: idOf(blob), offset: at * 100, length: 100, uncompressedLength: 150 },
      })),
    });
  const set = createEntrySet(index.table.count());
  for (const blob of used) set.add(index.table.find(typeOf(blob), Buffer.from(idOf(blob), 'hex')));
  const plan = planExport({
    ...{ index, used: set, snapshots: [], wholePacks, packBytes: 1000, journal: [], journalSources: [] },
  });
  const name = (number: number): string => Buffer.from(index.packId(number), 'hex').toString().trimEnd();
  return {
    ...plan,
    whole: plan.whole.map(({ number }) => name(number)),
    repack: plan.repack.map(name),
  };
}

describe('the plan of an export', () => {
  test('takes packs whole that hold nothing else, and of others what is needed', () => {
    const plan = planOf({ p: 'ab', q: 'cd', r: 'ef', t: 'XY', u: 'Z' }, 'abcXY');
    assert.deepEqual([plan.whole, plan.repack], [['p', 't'], ['q']]);
    assert.equal(plan.repackBytes, 141);
    assert.equal(plan.foreignBytes, 0);
    assert.equal(plan.packs, 3);
    assert.equal(plan.treeBytes, 200 + 2 * 41 + 36);
  });

  test('takes all packs whole where it may, and counts what comes along', () => {
    const plan = planOf({ p: 'ab', q: 'cd', r: 'ef' }, 'abc', true);
    assert.deepEqual([plan.whole, plan.repack, plan.foreignBytes], [['p', 'q'], [], 100]);
  });

  test('leaves out packs whose blobs are taken from others, and tells copies of them from what is foreign', () => {
    const plan = planOf({ p: 'ab', q: 'ab', r: 'bc' }, 'abc');
    assert.deepEqual([plan.whole, plan.repack], [['p', 'r'], []]);
  });

  test('expects one new pack for trees and as many for data as it fills', () => {
    const plan = planOf({ p: 'abcdefghijklmnopz', t: 'XYZ' }, 'abcdefghijklmnopX');
    assert.deepEqual(plan.repack, ['p', 't']);
    assert.equal(plan.packs, 3 + 1);
    assert.ok(plan.bytes > plan.repackBytes);
  });
});
