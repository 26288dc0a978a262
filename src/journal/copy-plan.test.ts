import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Piece } from '../model/journal.ts';
import { planJournalCopy } from './copy-plan.ts';
import type { ListedStream } from './list.ts';

const unitBytes = 12;
let hashes = 0;

function piece(from: number, to: number, unit = 0): Piece {
  const hash = (hashes++).toString(16).padStart(32, '0');
  return { unit: unit.toString(16).toUpperCase().padStart(24, '0'), from, to, hash, size: to - from };
}

function listed(pieces: readonly Piece[], timelines: readonly number[] = []): ListedStream[] {
  const histories = timelines.map((timeline) => ({ timeline, hash: '0'.repeat(32), size: 1 }));
  return [{ stream: { source: 'db', stream: '1' }, pieces, histories }];
}

function lacking(from: readonly Piece[], to: readonly Piece[]): [number, number][] {
  return planJournalCopy(listed(from), listed(to))[0]!.pieces.map((each) => [each.from, each.to]);
}

describe('what a copy of a journal lacks', () => {
  test('is everything where there is none yet', () => {
    const [plan] = planJournalCopy(listed([piece(0, 5), piece(5, 12)], [2, 3]), []);
    assert.equal(plan?.pieces.length, 2);
    assert.deepEqual(
      plan?.histories.map(({ timeline }) => timeline),
      [2, 3],
    );
  });

  test('is nothing that is covered, in whatever pieces and by whatever hash', () => {
    assert.deepEqual(lacking([piece(0, 12)], [piece(5, 12), piece(0, 5)]), []);
    assert.deepEqual(lacking([piece(0, 5), piece(5, 12)], [piece(0, 12)]), []);
    assert.deepEqual(lacking([piece(0, 12)], [piece(0, 5), piece(6, 12)]), [[0, 12]]);
  });

  test('is each byte once, where slices and the whole lie side by side', () => {
    assert.deepEqual(lacking([piece(0, 5), piece(0, 12), piece(5, 12)], []), [[0, 12]]);
  });

  test('is told for each timeline once', () => {
    const [plan] = planJournalCopy(listed([], [2, 2, 3]), listed([], [3]));
    assert.deepEqual(
      plan?.histories.map(({ timeline }) => timeline),
      [2],
    );
  });

  test('with what is there is all that the journal has, and asked again it is nothing', () => {
    const part = fc
      .tuple(fc.integer({ min: 0, max: unitBytes - 1 }), fc.integer({ min: 1, max: unitBytes }), fc.nat(2))
      .filter(([from, to]) => from < to)
      .map(([from, to, unit]) => piece(from, to, unit));
    const bytesOf = (pieces: readonly Piece[]): Set<string> =>
      new Set(
        pieces.flatMap(({ unit, from, to }) =>
          Array.from({ length: to - from }, (_, at) => `${unit} ${from + at}`),
        ),
      );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.array(part, { maxLength: 12 }), (from, to) => {
        const [plan] = planJournalCopy(listed(from), listed(to));
        const after = [...to, ...plan!.pieces];
        assert.deepEqual([...bytesOf(from).difference(bytesOf(after))], []);
        assert.deepEqual(lacking(from, after), []);
      }),
    );
  });
});
