import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTimeLimit } from './time-limit.ts';

process.env.TZ = 'UTC';

const secondsOf = (text: string): number => parseTimeLimit(text).seconds;

test('a time is read in every form that restic takes', () => {
  const noon = Date.UTC(2026, 2, 1, 12, 30, 9) / 1000;
  for (const text of [
    '2026-03-01 12:30:09',
    '01.03.2026 12:30:09',
    '2026-03-01 13:30:09 +0100',
    '01.03.2026 12:30:09 UTC',
    'Sun Mar 1 07:30:09 -0500 EST 2026',
  ])
    assert.equal(secondsOf(text), noon, text);
  assert.equal(secondsOf('2026-03-01'), Date.UTC(2026, 2, 1) / 1000);
  assert.equal(secondsOf('2026-03-01 12:30'), noon - 9);
  assert.equal(parseTimeLimit('2026-03-01 12:30:09.25').nanoseconds, 250_000_000);
});

test('what is no time is refused', () => {
  for (const text of ['', 'yesterday', '2026-02-30', '2026-13-01', '2026-03-01 25:00', '2026-3-1'])
    assert.throws(() => parseTimeLimit(text), /expected a time/, text);
});
