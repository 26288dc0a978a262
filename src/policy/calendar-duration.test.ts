import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatCalendarDuration,
  noDuration,
  parseCalendarDuration,
  parseKeepWithin,
} from './calendar-duration.ts';

describe('a calendar duration', () => {
  it('is read in any order and written from years to hours, as in restic', () => {
    const facts: readonly [string, string][] = [
      ['9h', '9h'],
      ['4d2h', '4d2h'],
      ['5d7m', '7m5d'],
      ['4h3d9m', '9m3d4h'],
      ['-7m5d', '-7m5d'],
      ['1y4m-5d-3h', '1y4m-5d-3h'],
      [' 1y ', '1y'],
      ['', ''],
      ['1d2d', '2d'],
    ];
    for (const [text, normal] of facts)
      assert.equal(formatCalendarDuration(parseCalendarDuration(text)), normal, text);
    assert.deepEqual(parseCalendarDuration('1y5m7d2h'), { years: 1, months: 5, days: 7, hours: 2 });
    assert.deepEqual(parseCalendarDuration(''), noDuration);
  });

  it('has no weeks, no bare numbers and no digits of other scripts', () => {
    for (const text of ['2w', '1y4m3w1d', 's', '5', 'd', '\u07c0d', '1 d']) {
      assert.throws(() => parseCalendarDuration(text), /expected a duration/, text);
    }
  });

  it('is never negative where it says what to keep', () => {
    assert.deepEqual(parseKeepWithin('7d'), { ...noDuration, days: 7 });
    assert.throws(() => parseKeepWithin('7d-2h'), /without minus/);
  });
});
