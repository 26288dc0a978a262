import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Tier } from '../../model/configuration.ts';
import type { Id } from '../../model/id.ts';
import { isStorageClass, rankOf, type StorageClass, storageClassNames } from '../../model/storage-class.ts';
import { createBlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet } from '../../repository/index/entry-set.ts';
import { markChanges, type PackFacts, planMoves } from './move-plan.ts';
import { needsOfPacks, type PackNeed } from './pack-needs.ts';
import { earlyDeletionCost, estimateThaw, monthlyCost } from './prices.ts';

const span = { years: 0, months: 0, days: 30, hours: 0 };
const tiersOf = (...classes: StorageClass[]): Tier[] =>
  classes.map((each) => ({ keep: 'daily', for: span, class: each }));
const tiers = tiersOf('STANDARD', 'STANDARD_IA', 'GLACIER', 'DEEP_ARCHIVE');

let count = 0;
const pack = (more: Partial<PackFacts> = {}): PackFacts => ({
  id: String(++count).padStart(64, '0') as Id,
  bytes: 16 * 2 ** 20,
  storageClass: 'STANDARD',
  ageDays: 100,
  mark: null,
  holdsTrees: false,
  need: 'GLACIER',
  ...more,
});

describe('the plan of moves', () => {
  it('moves a pack to the class that its hottest snapshot needs, once', () => {
    const { moves, movingCost } = planMoves(
      [pack(), pack({ mark: 'GLACIER' }), pack({ storageClass: 'GLACIER' })],
      tiers,
    );
    assert.deepEqual(
      moves.map(({ from, to, marked }) => [from, to, marked]),
      [
        ['STANDARD', 'GLACIER', false],
        ['STANDARD', 'GLACIER', true],
      ],
    );
    assert.ok(movingCost > 0 && movingCost < 0.0001);
  });

  it('leaves trees, small packs, what nothing needs, and what no tier keeps', () => {
    const { moves, stay } = planMoves(
      [
        pack({ holdsTrees: true }),
        pack({ bytes: 1000 }),
        pack({ need: null }),
        pack({ need: 'unplaced' }),
        pack({ need: 'STANDARD' }),
        pack({ storageClass: 'INTELLIGENT_TIERING' }),
      ],
      tiers,
    );
    assert.deepEqual(moves, []);
    assert.deepEqual(stay, { trees: 1, needed: 1, small: 1, unused: 1, unplaced: 1, unknownClass: 1 });
  });

  it('takes back a mark that goes too far, and corrects one that goes elsewhere', () => {
    const again = pack({ need: 'STANDARD', mark: 'GLACIER' });
    const other = pack({ need: 'STANDARD_IA', mark: 'DEEP_ARCHIVE' });
    assert.deepEqual(markChanges(planMoves([again, other], tiers)), [
      { id: again.id, mark: null },
      { id: other.id, mark: 'STANDARD_IA' },
    ]);
  });

  it('names packs that are colder than needed, which no rule warms', () => {
    const { tooCold, moves } = planMoves([pack({ need: 'STANDARD', storageClass: 'GLACIER' })], tiers);
    assert.deepEqual([tooCold.length, moves.length], [1, 0]);
  });

  it('tells how long a class makes young packs wait', () => {
    const { moves } = planMoves([pack({ need: 'STANDARD_IA', ageDays: 12.5 })], tiers);
    assert.equal(moves[0]?.waitsDays, 18);
  });

  it('never makes a pack colder than the hottest snapshot that needs it, whatever the marks say', () => {
    const classes = [...storageClassNames, 'INTELLIGENT_TIERING'];
    const facts = fc.record({
      storageClass: fc.constantFrom(...classes),
      mark: fc.constantFrom(null, 'nonsense', ...storageClassNames),
      holdsTrees: fc.boolean(),
      bytes: fc.integer({ min: 100, max: 2 ** 24 }),
      ageDays: fc.integer({ min: 0, max: 400 }),
      need: fc.constantFrom<PackNeed | null>(null, 'unplaced', ...storageClassNames),
    });
    fc.assert(
      fc.property(
        fc.array(facts, { maxLength: 20 }),
        fc.subarray([...storageClassNames], { minLength: 1 }),
        (list, names) => {
          const packs = list.map(pack);
          const plan = planMoves(packs, tiersOf(...names));
          const changed = new Map(markChanges(plan).map(({ id, mark }) => [id, mark]));
          for (const each of packs) {
            // What the bucket will make of it: a mark counts where it is colder than the class.
            const mark = changed.has(each.id) ? changed.get(each.id)! : each.mark;
            if (mark === null || !isStorageClass(mark) || !isStorageClass(each.storageClass)) continue;
            if (rankOf(mark) <= rankOf(each.storageClass)) continue;
            assert.ok(!each.holdsTrees, 'trees stay');
            assert.ok(each.need !== null && each.need !== 'unplaced');
            assert.ok(rankOf(mark) <= rankOf(each.need), `${mark} for what is needed in ${each.need}`);
          }
        },
      ),
    );
  });
});

describe('the needs of packs', () => {
  it('are those of the hottest snapshot that needs anything in them', () => {
    const kinds: readonly PackNeed[] = ['STANDARD', 'STANDARD_IA', 'GLACIER', 'unplaced'];
    const order = (need: PackNeed): number => kinds.indexOf(need);
    fc.assert(
      fc.property(
        // Blobs by pack, some with copies in several; and what each kind of snapshot uses.
        fc.array(fc.array(fc.nat(15), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.constantFrom(...kinds), fc.uniqueArray(fc.nat(15))), { maxLength: 6 }),
        (packs, uses) => {
          const index = createBlobIndex();
          const idOf = (n: number): Id => String(n).padStart(64, '0') as Id;
          for (const [n, blobs] of packs.entries()) {
            const stored = [...new Set(blobs)].map((blob, position) => ({
              type: 'data' as const,
              id: idOf(blob),
              offset: position * 10,
              length: 10,
              uncompressedLength: 0,
            }));
            index.addPack({ id: idOf(100 + n), blobs: stored });
          }
          const levels = uses.map(([need, blobs]) => {
            const used = createEntrySet(index.table.count());
            for (const blob of blobs) {
              const entry = index.table.find('data', Buffer.from(idOf(blob), 'hex'));
              if (entry >= 0) used.add(entry);
            }
            return { need, used };
          });
          const needs = needsOfPacks(index, levels);
          for (const [n, blobs] of packs.entries()) {
            const wanted = uses
              .filter(([, used]) => used.some((blob) => blobs.includes(blob)))
              .map(([need]) => need);
            const hottest = wanted.sort((a, b) => order(a) - order(b))[0] ?? null;
            assert.equal(needs[index.knownPackNumber(idOf(100 + n))!], hottest);
          }
        },
      ),
    );
  });
});

describe('estimates', () => {
  it('know what a month costs, with what archives keep beside each object', () => {
    assert.equal(monthlyCost('STANDARD', 1, 2 ** 30), 0.023);
    assert.ok(monthlyCost('GLACIER', 1000, 1000)! > monthlyCost('GLACIER', 1, 1000)! * 500);
    assert.equal(monthlyCost('A_CLASS_OF_OTHERS', 1, 1), null);
  });

  it('know what is paid for the days that are left when something is deleted early', () => {
    assert.equal(earlyDeletionCost('STANDARD', 2 ** 30, 0), 0);
    assert.ok(Math.abs(earlyDeletionCost('GLACIER', 2 ** 30, 60) - 0.0036) < 1e-9);
    assert.equal(earlyDeletionCost('GLACIER', 2 ** 30, 91), 0);
  });

  it('of a thaw are those of the slowest class, and none where a class knows no such speed', () => {
    const deep = { storageClass: 'DEEP_ARCHIVE', objects: 10, bytes: 2 ** 30 };
    const glacier = { storageClass: 'GLACIER', objects: 10, bytes: 2 ** 30 };
    assert.deepEqual(estimateThaw([glacier, deep], 'standard', 7)?.hours, [9, 12]);
    assert.equal(estimateThaw([glacier, deep], 'expedited', 7), null);
    assert.ok(estimateThaw([glacier], 'expedited', 7)!.cost! > estimateThaw([glacier], 'bulk', 7)!.cost!);
  });
});
