import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Id } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { parseCalendarDuration } from './calendar-duration.ts';
import type { RetentionPolicy } from './retention.ts';
import {
  applyPolicy,
  describePolicy,
  emptyPolicy,
  isEmptyPolicy,
  parseKeepCount,
  unlimited,
} from './retention.ts';

const now = { seconds: Date.UTC(2026, 0, 1) / 1000, nanoseconds: 0 };

function snapshot(time: string, more: Partial<StoredSnapshot> = {}): StoredSnapshot {
  return { id: 'f'.repeat(64) as Id, time, paths: [], ...more };
}

/** The 103 snapshots that restic's internal/data/snapshot_policy_test.go decides about, as days of months. */
const atHalfPastTen: readonly (readonly [string, string, readonly string[]])[] = [
  ['2014-09', '1 2 5 6 8 9 10 11 20 22', []],
  ['2014-08', '8 10 12 13 13.1 15 18 20 21 22', []],
  ['2014-10', '1 2 5 6 8 9 10 11 20 22', ['foo']],
  ['2014-11', '8 10 12 13', ['foo']],
  ['2014-11', '13.1', ['bar']],
  ['2014-11', '15', ['foo', 'bar']],
  ['2014-11', '18 20 21 22', []],
  ['2015-09', '1 2 5 6 8 9 10 11 20 22', []],
  ['2015-08', '8 10 12 13 13.1 15 18 20 21 22', []],
  ['2015-10', '1 2 5 6 8 9 10 11 20 22 22', []],
  ['2015-10', '22 22 22', ['foo', 'bar']],
  ['2015-11', '8 10 12 13 13.1 15 18 20 21 22', []],
];
const inJanuary =
  '01T01:02 01T01:03 01T07:08 03T07:02 04T10:23 04T11:23 04T12:23 04T12:24 04T12:28 04T12:30 04T16:23 05T09:02 06T08:02 07T10:02 08T20:02 09T21:02 12T21:02 12T21:08 18T12:02';

const snapshots: readonly StoredSnapshot[] = [
  ...atHalfPastTen.flatMap(([month, days, tags]) =>
    days.split(' ').map((text) => {
      const [day = '', fraction] = text.split('.');
      const time = `${month}-${day.padStart(2, '0')}T10:20:30${fraction === undefined ? '' : `.${fraction}`}Z`;
      return snapshot(time, tags.length > 0 ? { tags: [...tags] } : {});
    }),
  ),
  ...inJanuary.split(' ').map((moment) => snapshot(`2016-01-${moment}:03Z`)),
];

const within = parseCalendarDuration;
const long = within('1y2m3d3h');

/** What restic's golden files say: the policy, how many stay, the oldest that stays and why. */
const facts: readonly [Partial<RetentionPolicy>, number, string, readonly string[]][] = [
  [{ last: 10 }, 10, '2016-01-04T12:30:03Z', ['last snapshot']],
  [{ last: 99 }, 99, '2014-08-13T10:20:30.1Z', ['last snapshot']],
  [{ last: 200 }, 103, '2014-08-08T10:20:30Z', ['last snapshot']],
  [{ hourly: 20 }, 20, '2015-11-13T10:20:30.1Z', ['hourly snapshot']],
  [{ daily: 3 }, 3, '2016-01-09T21:02:03Z', ['daily snapshot']],
  [{ daily: 30 }, 30, '2015-09-22T10:20:30Z', ['daily snapshot']],
  [{ last: 5, daily: 5 }, 6, '2016-01-07T10:02:03Z', ['daily snapshot']],
  [{ last: 2, daily: 10 }, 10, '2016-01-01T07:08:03Z', ['daily snapshot']],
  [{ weekly: 2 }, 2, '2016-01-12T21:08:03Z', ['weekly snapshot']],
  [{ weekly: 4 }, 4, '2016-01-03T07:02:03Z', ['weekly snapshot']],
  [{ monthly: 6 }, 6, '2014-11-22T10:20:30Z', ['monthly snapshot']],
  [{ daily: 2, weekly: 2, monthly: 6 }, 7, '2014-11-22T10:20:30Z', ['monthly snapshot']],
  [{ yearly: 10 }, 4, '2014-08-08T10:20:30Z', ['oldest yearly snapshot']],
  [{ daily: 7, weekly: 2, monthly: 3, yearly: 10 }, 11, '2014-08-08T10:20:30Z', ['oldest yearly snapshot']],
  [{ tags: [['foo']] }, 18, '2014-10-01T10:20:30Z', ['has tags [foo]']],
  [{ tags: [['foo', 'bar']] }, 4, '2014-11-15T10:20:30Z', ['has tags [foo, bar]']],
  [{ tags: [['foo'], ['bar']] }, 19, '2014-10-01T10:20:30Z', ['has tags [foo]']],
  [{ within: within('2d') }, 1, '2016-01-18T12:02:03Z', ['within 2d']],
  [{ within: within('7d') }, 3, '2016-01-12T21:02:03Z', ['within 7d']],
  [{ within: within('1m14d') }, 19, '2016-01-01T01:02:03Z', ['within 1m14d']],
  [{ within: within('1y1d1m') }, 63, '2015-08-08T10:20:30Z', ['within 1y1m1d']],
  [{ within: within('13d23h') }, 9, '2016-01-04T16:23:03Z', ['within 13d23h']],
  [{ within: within('2m2h') }, 23, '2015-11-18T10:20:30Z', ['within 2m2h']],
  [{ within: long }, 68, '2014-11-15T10:20:30Z', ['within 1y2m3d3h']],
  [{ withinHourly: long }, 57, '2014-11-15T10:20:30Z', ['hourly within 1y2m3d3h']],
  [{ withinDaily: long }, 53, '2014-11-15T10:20:30Z', ['daily within 1y2m3d3h']],
  [{ withinWeekly: long }, 19, '2014-11-15T10:20:30Z', ['weekly within 1y2m3d3h']],
  [{ withinMonthly: long }, 6, '2014-11-22T10:20:30Z', ['monthly within 1y2m3d3h']],
  [{ withinYearly: long }, 3, '2014-11-22T10:20:30Z', ['yearly within 1y2m3d3h']],
  [
    {
      within: within('1h'),
      withinHourly: within('1d'),
      withinDaily: within('7d'),
      withinWeekly: within('1m'),
      withinMonthly: within('1y'),
      withinYearly: within('9999y'),
    },
    10,
    '2014-08-08T10:20:30Z',
    ['oldest yearly within 9999y'],
  ],
  [{ last: unlimited, hourly: unlimited }, 103, '2014-08-08T10:20:30Z', ['last snapshot', 'hourly snapshot']],
  [{ hourly: unlimited }, 90, '2014-08-08T10:20:30Z', ['hourly snapshot']],
  [
    { daily: 3, weekly: 2, monthly: unlimited, yearly: unlimited },
    12,
    '2014-08-08T10:20:30Z',
    ['oldest monthly snapshot', 'oldest yearly snapshot'],
  ],
];

const decide = (list: readonly StoredSnapshot[], policy: Partial<RetentionPolicy>) =>
  applyPolicy(list, { ...emptyPolicy, ...policy }, now);

describe('a retention policy', () => {
  it('keeps what restic keeps, for the reasons that restic gives', () => {
    for (const [policy, kept, oldest, reasons] of facts) {
      const plan = decide(snapshots, policy);
      const name = JSON.stringify(policy);
      assert.equal(plan.keep.length, kept, name);
      assert.equal(plan.keep.length + plan.remove.length, snapshots.length, name);
      assert.equal(plan.keep.at(-1)?.time, oldest, name);
      assert.deepEqual(plan.reasons.at(-1)?.matches, reasons, name);
    }
  });

  it('counts down as it goes, and leaves out what has run out', () => {
    const counters = decide(snapshots, { daily: 2, yearly: unlimited }).reasons.map(
      (reason) => reason.counters,
    );
    assert.deepEqual(counters.slice(0, 3), [{ daily: 1, yearly: -1 }, { yearly: -1 }, { yearly: -1 }]);
  });

  it('keeps nothing without a rule', () => {
    assert.equal(isEmptyPolicy(emptyPolicy), true);
    assert.equal(isEmptyPolicy({ ...emptyPolicy, withinYearly: within('1y') }), false);
    assert.deepEqual(decide(snapshots, {}).keep, []);
    assert.deepEqual(decide([], { last: 1 }), { keep: [], remove: [], reasons: [] });
  });

  it('counts back from the newest snapshot that is not from the future', () => {
    const list = [
      '2030-01-01T00:00:00Z',
      '2025-06-02T00:00:00Z',
      '2025-06-01T00:00:00Z',
      '2025-05-01T00:00:00Z',
    ].map((time) => snapshot(time));
    assert.deepEqual(
      decide(list, { within: within('2d') }).keep.map(({ time }) => time),
      ['2030-01-01T00:00:00Z', '2025-06-02T00:00:00Z', '2025-06-01T00:00:00Z'],
    );
  });

  it('reads days from the clock of the zone that each time is written in', () => {
    const list = ['2025-06-02T01:00:00+02:00', '2025-06-01T22:00:00Z'].map((time) => snapshot(time));
    assert.equal(decide([...list, snapshot('2025-01-01T00:00:00Z')], { daily: 9 }).keep.length, 3);
  });

  it('tells weeks apart at the turn of the year by ISO 8601', () => {
    const list = [
      '2021-01-04T12:00:00Z',
      '2021-01-03T12:00:00Z',
      '2020-12-28T12:00:00Z',
      '2020-12-27T12:00:00Z',
      '2020-12-01T12:00:00Z',
    ];
    const plan = decide(
      list.map((time) => snapshot(time)),
      { weekly: 3 },
    );
    assert.deepEqual(
      plan.keep.map(({ time }) => time),
      [list[0], list[1], list[3]],
    );
  });

  it('keeps the same of two snapshots of one instant each time, and never more than the counts add up to', () => {
    const time = fc
      .integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2025, 0, 1) })
      .map((ms) => new Date(ms - (ms % 3_600_000)).toISOString());
    fc.assert(
      fc.property(fc.array(time, { maxLength: 40 }), fc.nat(5), fc.nat(5), (times, daily, weekly) => {
        const list = times.map((one) => snapshot(one));
        const plan = decide(list, { daily, weekly });
        assert.ok(plan.keep.length <= daily + weekly);
        assert.equal(plan.keep.length + plan.remove.length, list.length);
        if (list.length > 0 && daily > 0)
          assert.equal(
            plan.keep[0],
            plan.keep.concat(plan.remove).find((one) => plan.keep[0]?.time === one.time),
          );
      }),
    );
  });

  it('is described as restic describes it', () => {
    const described = (policy: Partial<RetentionPolicy>): string =>
      describePolicy({ ...emptyPolicy, ...policy });
    assert.equal(described({}), 'remove');
    assert.equal(described({ last: 2, daily: 10 }), 'keep 2 latest, 10 daily snapshots');
    assert.equal(described({ hourly: unlimited }), 'keep all hourly snapshots');
    assert.equal(
      described({ withinDaily: within('7d'), daily: 1 }),
      'keep 1 daily snapshots, daily snapshots within 7d',
    );
    assert.equal(described({ tags: [['a'], ['b', 'c']] }), 'keep all snapshots with tags [[a] [b, c]]');
    assert.equal(described({ within: within('1d') }), 'keep all snapshots within 1d of the newest');
  });
});

describe('a count to keep', () => {
  it('is a number or the word unlimited', () => {
    assert.equal(parseKeepCount('7'), 7);
    assert.equal(parseKeepCount('unlimited'), -1);
    for (const text of ['-1', 'many', '', '1.5'])
      assert.throws(() => parseKeepCount(text), /expected a number/);
  });
});
