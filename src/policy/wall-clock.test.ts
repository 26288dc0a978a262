import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatTime } from '../model/time.ts';
import { parseCalendarDuration } from './calendar-duration.ts';
import { instantBefore, isoWeek, wallClockOf } from './wall-clock.ts';

const utc = (_seconds: number): number => 0;
/** A zone that goes from +60 to +120 minutes at 2025-03-30 01:00 UTC, as central Europe does. */
const european = (seconds: number): number => (seconds >= Date.UTC(2025, 2, 30, 1) / 1000 ? 120 : 60);

function before(time: string, duration: string, offsetAt = utc): string {
  const { seconds, nanoseconds } = instantBefore(time, parseCalendarDuration(duration), offsetAt);
  return formatTime(seconds, nanoseconds, 0);
}

describe('going back on the calendar', () => {
  it('carries over a day that the month does not have', () => {
    assert.equal(before('2025-03-31T10:00:00Z', '1m'), '2025-03-03T10:00:00Z');
    assert.equal(before('2024-03-31T10:00:00Z', '1m'), '2024-03-02T10:00:00Z');
    assert.equal(before('2024-02-29T10:00:00Z', '1y'), '2023-03-01T10:00:00Z');
  });

  it('takes years, months and days off together, and hours after them', () => {
    assert.equal(before('2016-01-18T12:02:03.5Z', '1y2m3d3h'), '2014-11-15T09:02:03.5Z');
    assert.equal(before('2025-01-01T01:00:00Z', '2h'), '2024-12-31T23:00:00Z');
  });

  it('keeps the offset that a time is written with', () => {
    assert.equal(before('2025-06-01T00:30:00+05:30', '1d'), '2025-05-30T19:00:00Z');
  });

  it('follows the clock on the wall where the zone is this machine’s', () => {
    assert.equal(before('2025-03-31T12:00:00+02:00', '2d', european), '2025-03-29T11:00:00Z');
    assert.equal(before('2025-03-31T12:00:00+02:00', '48h', european), '2025-03-29T10:00:00Z');
    assert.equal(before('2025-03-31T12:00:00Z', '2d', european), '2025-03-29T12:00:00Z');
  });

  it('goes back before the year 0', () => {
    assert.ok(instantBefore('2016-01-18T12:02:03Z', parseCalendarDuration('9999y'), utc).seconds < -2e11);
  });
});

describe('a week', () => {
  it('belongs to the year of its Thursday', () => {
    const facts: readonly [string, number, number][] = [
      ['2016-01-03', 2015, 53],
      ['2016-01-04', 2016, 1],
      ['2018-12-31', 2019, 1],
      ['2020-12-31', 2020, 53],
      ['2021-01-03', 2020, 53],
      ['2024-12-30', 2025, 1],
    ];
    for (const [date, year, week] of facts) {
      assert.deepEqual(isoWeek(wallClockOf(`${date}T00:00:00Z`)), { year, week }, date);
    }
  });
});
