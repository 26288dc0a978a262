import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LifeboatError } from '../../core/errors.ts';
import { formatPostgresTime, parseZonedTime } from './zoned-time.ts';

const inUtc = (text: string): string => formatPostgresTime(parseZonedTime(text).microseconds);

function refusal(text: string): string {
  try {
    parseZonedTime(text);
  } catch (error) {
    const { code, message, hint } = error as LifeboatError;
    assert.equal(code, 'usage');
    return `${message} (${hint})`;
  }
  assert.fail(`${text} was taken`);
}

describe('a time with its zone', () => {
  test('is read in every form that people use, to the microsecond', () => {
    for (const [text, expected] of [
      ['2026-11-20 14:03:11+01', '2026-11-20 13:03:11+00'],
      ['2026-11-20T14:03:11.5Z', '2026-11-20 14:03:11.5+00'],
      ['2026-11-20 14:03:11.000001 +01:00', '2026-11-20 13:03:11.000001+00'],
      ['2026-11-20 14:03-0330', '2026-11-20 17:33:00+00'],
      ['2026-11-20 UTC', '2026-11-20 00:00:00+00'],
      ['2026-11-20 14:03:11 Europe/Berlin', '2026-11-20 13:03:11+00'],
      ['2026-07-20 14:03:11 Europe/Berlin', '2026-07-20 12:03:11+00'],
      ['2026-07-20 14:03:11 America/St_Johns', '2026-07-20 16:33:11+00'],
    ] as const) {
      assert.equal(inUtc(text), expected, text);
    }
  });

  test('is refused without a zone, and shown with the one of this machine', () => {
    assert.match(refusal('2026-11-20 14:03:11'), /does not say its time zone.*"2026-11-20 14:03:11[+-]\d\d/);
  });

  test('is refused where the clocks are changed and it does not exist or comes twice', () => {
    assert.match(refusal('2026-03-29 02:30:00 Europe/Berlin'), /does not exist/);
    assert.match(
      refusal('2026-10-25 02:30:00 Europe/Berlin'),
      /comes twice.*"2026-10-25 02:30:00\+02" or "2026-10-25 02:30:00\+01"/,
    );
  });

  test('is refused where there is no such day, hour or zone', () => {
    for (const text of [
      '2026-02-30 10:00Z',
      '2026-02-01 24:00Z',
      '2026-02-01 10:60Z',
      '2026-02-01 10:00 Mars/Rover',
      '2026-02-01 10:00 +99',
      'yesterday',
    ])
      refusal(text);
  });
});
