import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WalRange } from '../../../model/wal.ts';
import { continueAfter, earliest, newerTimeline, type ServerTimeline, timelineAt } from './plan-start.ts';

const unit = 1 << 20;
const mib = (count: number): bigint => BigInt(Math.round(count * unit));
const range = (timeline: number, from: number, to: number): WalRange => ({
  timeline,
  start: mib(from),
  end: mib(to),
});

/** Timeline 1 was left at 5.5 MiB for 2, that one at 8 MiB for 4; 3 branched off elsewhere. */
const server: ServerTimeline = {
  timeline: 4,
  switches: [
    { timeline: 1, end: mib(5.5), reason: '' },
    { timeline: 2, end: mib(8), reason: '' },
  ],
};

describe('receiving goes on', () => {
  const cases: [string, WalRange[], { timeline: number; start: bigint } | null][] = [
    ['nowhere, where nothing is there', [], null],
    ['nowhere, where only another branch is there', [range(3, 0, 9)], null],
    [
      'at the end of the current timeline',
      [range(1, 0, 5.5), range(4, 8, 9.25)],
      { timeline: 4, start: mib(9.25) },
    ],
    [
      'behind the last part, where there are gaps',
      [range(4, 8, 9), range(4, 10, 11)],
      { timeline: 4, start: mib(11) },
    ],
    ['on an ancestor that was not received to its end', [range(1, 0, 4)], { timeline: 1, start: mib(4) }],
    [
      'with the whole segment in which an ancestor was left',
      [range(1, 0, 5.5)],
      { timeline: 2, start: mib(5) },
    ],
    ['there too, where the old server had written more', [range(1, 0, 7)], { timeline: 2, start: mib(5) }],
    [
      'at a segment where the timeline was left at its beginning',
      [range(2, 5, 8)],
      { timeline: 4, start: mib(8) },
    ],
  ];
  for (const [name, ranges, point] of cases) {
    test(name, () => assert.deepEqual(continueAfter(ranges, server, unit), point));
  }

  test('at the first of several places', () => {
    const points = [
      { timeline: 2, start: mib(6) },
      { timeline: 1, start: mib(5) },
      { timeline: 1, start: mib(4) },
    ];
    assert.deepEqual(earliest(points), points[2]);
    assert.equal(earliest([]), null);
  });
});

test('a position belongs to the timeline that was the current one', () => {
  assert.equal(timelineAt(mib(5), server), 1);
  assert.equal(timelineAt(mib(5.5), server), 2);
  assert.equal(timelineAt(mib(8), server), 4);
});

test('a server that was left behind is told by its timeline', () => {
  assert.equal(newerTimeline([range(1, 0, 5), range(2, 5, 6)], { timeline: 1, switches: [] }), 2);
  assert.equal(newerTimeline([range(3, 0, 5)], server), null);
  assert.equal(newerTimeline([], server), null);
});
