import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { coverageOf, type TimelineHistory } from '../../src/journal/coverage.ts';
import { expire, planExpiry } from '../../src/journal/expire.ts';
import { listPieces } from '../../src/journal/list.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { Piece } from '../../src/model/journal.ts';
import { faultyStorage } from '../crash/faulty-storage.ts';
import { behind, coverageIn, logOf, memoryPlace, stream, unitBytes, unitOf } from './places.ts';

const unit = BigInt(unitBytes);

function pieceOf(timeline: number, number: number, from = 0, to = unitBytes): Piece {
  return { unit: unitOf(BigInt(number) * unit, timeline), from, to, hash: '0'.repeat(32), size: 10 };
}
const pieces = (timeline: number, first: number, last: number): Piece[] =>
  Array.from({ length: last - first + 1 }, (_, at) => pieceOf(timeline, first + at));

/** Timeline 2 left 1 within segment 5, timeline 3 left 2 within segment 8. */
const histories: TimelineHistory[] = [
  { timeline: 2, switches: [{ timeline: 1, end: 5n * unit + 100n, reason: '' }] },
  {
    timeline: 3,
    switches: [
      { timeline: 1, end: 5n * unit + 100n, reason: '' },
      { timeline: 2, end: 8n * unit + 100n, reason: '' },
    ],
  },
];
const all = [...pieces(1, 0, 7), ...pieces(2, 5, 9), ...pieces(3, 8, 10)];

function removed(
  keepFrom: { timeline: number; lsn: bigint }[],
  more: Partial<Parameters<typeof planExpiry>[0]> = {},
) {
  const plan = planExpiry({ pieces: all, unitBytes, histories, keepFrom, ...more });
  return coverageOf(
    plan.remove.map(({ piece }) => piece),
    unitBytes,
  ).map(({ timeline, start, end }) => `${timeline}: ${start / unit}-${end / unit}`);
}

describe('a plan of expiry', () => {
  test('removes nothing where nothing is known to be needed', () => {
    assert.deepEqual(removed([]), []);
  });

  test('keeps the unit of the oldest needed position and all that follow, on later timelines too', () => {
    assert.deepEqual(removed([{ timeline: 1, lsn: 3n * unit + 1n }]), ['1: 0-3']);
    assert.deepEqual(removed([{ timeline: 1, lsn: 3n * unit }]), ['1: 0-3']);
    assert.deepEqual(
      removed([
        { timeline: 1, lsn: 0n },
        { timeline: 2, lsn: 9n * unit },
      ]),
      [],
    );
  });

  test('removes a timeline that no kept backup can be recovered onto', () => {
    assert.deepEqual(removed([{ timeline: 2, lsn: 6n * unit + 5n }]), ['1: 0-8', '2: 5-6']);
    // Timeline 2 was left before this backup of timeline 1 began.
    assert.deepEqual(
      removed([
        { timeline: 1, lsn: 6n * unit },
        { timeline: 3, lsn: 9n * unit },
      ]),
      ['1: 0-6', '2: 5-10', '3: 8-9'],
    );
  });

  test('keeps the newest timeline although no backup of it is there yet', () => {
    assert.deepEqual(removed([{ timeline: 1, lsn: 7n * unit }]), ['1: 0-7']);
  });

  test('keeps the end of the timeline before for a backup that began on it', () => {
    assert.deepEqual(removed([{ timeline: 2, lsn: 4n * unit + 1n }]), ['1: 0-4']);
  });

  test('keeps timelines of which nobody knows where they came from', () => {
    assert.deepEqual(removed([{ timeline: 3, lsn: 9n * unit }], { histories: [] }), ['3: 8-9']);
  });

  test('gives each piece a reason, and keeps what has no name of a segment', () => {
    const odd = { ...pieceOf(1, 0), unit: '0000000100000000FFFFFFFF' };
    const plan = planExpiry({
      pieces: [odd, ...all],
      unitBytes: 16 * 2 ** 20,
      histories,
      keepFrom: [{ timeline: 3, lsn: 2n ** 50n }],
    });
    assert.ok(plan.remove.every(({ reason }) => reason.length > 10));
    assert.ok(!plan.remove.some(({ piece }) => piece === odd));
    assert.equal(plan.kept + plan.remove.length, all.length + 1);
  });

  test('never takes what a recovery from a needed position reads', () => {
    const position = fc.record({ timeline: fc.integer({ min: 1, max: 3 }), lsn: fc.bigInt(0n, 11n * unit) });
    fc.assert(
      fc.property(fc.array(position, { minLength: 1, maxLength: 4 }), (keepFrom) => {
        const gone = new Set(
          planExpiry({ pieces: all, unitBytes, histories, keepFrom }).remove.map(({ piece }) => piece.unit),
        );
        for (const { timeline, lsn } of keepFrom)
          for (const piece of all) {
            const start = BigInt(`0x${piece.unit.slice(8, 16)}${piece.unit.slice(16)}`) * unit;
            if (Number(piece.unit.slice(0, 8)) === timeline && start + unit > lsn)
              assert.ok(!gone.has(piece.unit), piece.unit);
          }
      }),
    );
  });
});

describe('expiry', () => {
  test('removes oldest first: ended at any operation, what is left has no gap', async () => {
    const original = memoryPlace();
    const log = logOf(unitBytes);
    for (let number = 0; number < 6; number++)
      for (const [from, to] of [
        [0, 1000],
        [1000, unitBytes],
      ] as const)
        await savePiece(
          original,
          stream,
          { unit: unitOf(BigInt(number) * unit), from, unitBytes },
          log.subarray(from, to),
        );
    const plan = planExpiry({
      pieces: (await listPieces(original, stream)).reverse(),
      unitBytes,
      histories: [],
      keepFrom: [{ timeline: 1, lsn: 4n * unit + 50n }],
    });
    for (let at = 1; at <= 9; at++) {
      const storage = original.storage.copy();
      const faulty = faultyStorage(storage, [{ kind: 'gone', at, code: 'storage-failed' }]);
      await expire(behind(original, faulty), stream, plan).catch(() => undefined);
      const place = behind(original, storage);
      assert.equal((await coverageIn(place)).length, 1);
      const report = await expire(place, stream, plan);
      assert.equal(report.removed, 9 - at);
      assert.deepEqual(await coverageIn(place), [{ timeline: 1, start: 4n * unit, end: 6n * unit }]);
    }
  });
});
