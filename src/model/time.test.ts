import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { LifeboatError } from '../core/errors.ts';
import {
  compareTimes,
  formatMilliseconds,
  formatTime,
  millisecondsOf,
  parseHumanTime,
  parseTime,
  sameInstant,
} from './time.ts';

/** Made with Go 1.26: zone, seconds, nanoseconds, time.RFC3339Nano of time.Unix(…).In(zone). */
const written: readonly (readonly [string, number, number, string])[] = [
  ['UTC', 0, 0, '1970-01-01T00:00:00Z'],
  ['UTC', 0, 1, '1970-01-01T00:00:00.000000001Z'],
  ['UTC', 0, 120000000, '1970-01-01T00:00:00.12Z'],
  ['UTC', 0, 999999999, '1970-01-01T00:00:00.999999999Z'],
  ['UTC', 1711846799, 1, '2024-03-31T00:59:59.000000001Z'],
  ['UTC', 1711846800, 1, '2024-03-31T01:00:00.000000001Z'],
  ['UTC', 1729990800, 1, '2024-10-27T01:00:00.000000001Z'],
  ['UTC', -1, 1, '1969-12-31T23:59:59.000000001Z'],
  ['UTC', -2208988801, 1, '1899-12-31T23:59:59.000000001Z'],
  ['UTC', -5000000000, 1, '1811-07-23T15:06:40.000000001Z'],
  ['UTC', 1000000000, 1, '2001-09-09T01:46:40.000000001Z'],
  ['UTC', 4102444800, 1, '2100-01-01T00:00:00.000000001Z'],
  ['UTC', 253402300799, 1, '9999-12-31T23:59:59.000000001Z'],
  ['UTC', -62167219200, 1, '0000-01-01T00:00:00.000000001Z'],
  ['Europe/Berlin', 0, 0, '1970-01-01T01:00:00+01:00'],
  ['Europe/Berlin', 0, 1, '1970-01-01T01:00:00.000000001+01:00'],
  ['Europe/Berlin', 0, 120000000, '1970-01-01T01:00:00.12+01:00'],
  ['Europe/Berlin', 0, 999999999, '1970-01-01T01:00:00.999999999+01:00'],
  ['Europe/Berlin', 1711846799, 1, '2024-03-31T01:59:59.000000001+01:00'],
  ['Europe/Berlin', 1711846800, 1, '2024-03-31T03:00:00.000000001+02:00'],
  ['Europe/Berlin', 1729990800, 1, '2024-10-27T02:00:00.000000001+01:00'],
  ['Europe/Berlin', -1, 1, '1970-01-01T00:59:59.000000001+01:00'],
  ['Europe/Berlin', -2208988801, 1, '1900-01-01T00:59:59.000000001+01:00'],
  ['Europe/Berlin', -5000000000, 1, '1811-07-23T16:00:08.000000001+00:53'],
  ['Europe/Berlin', 1000000000, 1, '2001-09-09T03:46:40.000000001+02:00'],
  ['Europe/Berlin', 4102444800, 1, '2100-01-01T01:00:00.000000001+01:00'],
  ['Europe/Berlin', -62167219200, 1, '0000-01-01T00:53:28.000000001+00:53'],
  ['America/New_York', 0, 0, '1969-12-31T19:00:00-05:00'],
  ['America/New_York', 0, 1, '1969-12-31T19:00:00.000000001-05:00'],
  ['America/New_York', 0, 120000000, '1969-12-31T19:00:00.12-05:00'],
  ['America/New_York', 0, 999999999, '1969-12-31T19:00:00.999999999-05:00'],
  ['America/New_York', 1711846799, 1, '2024-03-30T20:59:59.000000001-04:00'],
  ['America/New_York', 1711846800, 1, '2024-03-30T21:00:00.000000001-04:00'],
  ['America/New_York', 1729990800, 1, '2024-10-26T21:00:00.000000001-04:00'],
  ['America/New_York', -1, 1, '1969-12-31T18:59:59.000000001-05:00'],
  ['America/New_York', -2208988801, 1, '1899-12-31T18:59:59.000000001-05:00'],
  ['America/New_York', -5000000000, 1, '1811-07-23T10:10:38.000000001-04:56'],
  ['America/New_York', 1000000000, 1, '2001-09-08T21:46:40.000000001-04:00'],
  ['America/New_York', 4102444800, 1, '2099-12-31T19:00:00.000000001-05:00'],
  ['America/New_York', 253402300799, 1, '9999-12-31T18:59:59.000000001-05:00'],
  ['Asia/Kathmandu', 0, 0, '1970-01-01T05:30:00+05:30'],
  ['Asia/Kathmandu', 0, 1, '1970-01-01T05:30:00.000000001+05:30'],
  ['Asia/Kathmandu', 0, 120000000, '1970-01-01T05:30:00.12+05:30'],
  ['Asia/Kathmandu', 0, 999999999, '1970-01-01T05:30:00.999999999+05:30'],
  ['Asia/Kathmandu', 1711846799, 1, '2024-03-31T06:44:59.000000001+05:45'],
  ['Asia/Kathmandu', 1711846800, 1, '2024-03-31T06:45:00.000000001+05:45'],
  ['Asia/Kathmandu', 1729990800, 1, '2024-10-27T06:45:00.000000001+05:45'],
  ['Asia/Kathmandu', -1, 1, '1970-01-01T05:29:59.000000001+05:30'],
  ['Asia/Kathmandu', -2208988801, 1, '1900-01-01T05:41:15.000000001+05:41'],
  ['Asia/Kathmandu', -5000000000, 1, '1811-07-23T20:47:56.000000001+05:41'],
  ['Asia/Kathmandu', 1000000000, 1, '2001-09-09T07:31:40.000000001+05:45'],
  ['Asia/Kathmandu', 4102444800, 1, '2100-01-01T05:45:00.000000001+05:45'],
  ['Asia/Kathmandu', -62167219200, 1, '0000-01-01T05:41:16.000000001+05:41'],
  ['Australia/Lord_Howe', 0, 0, '1970-01-01T10:00:00+10:00'],
  ['Australia/Lord_Howe', 0, 1, '1970-01-01T10:00:00.000000001+10:00'],
  ['Australia/Lord_Howe', 0, 120000000, '1970-01-01T10:00:00.12+10:00'],
  ['Australia/Lord_Howe', 0, 999999999, '1970-01-01T10:00:00.999999999+10:00'],
  ['Australia/Lord_Howe', 1711846799, 1, '2024-03-31T11:59:59.000000001+11:00'],
  ['Australia/Lord_Howe', 1711846800, 1, '2024-03-31T12:00:00.000000001+11:00'],
  ['Australia/Lord_Howe', 1729990800, 1, '2024-10-27T12:00:00.000000001+11:00'],
  ['Australia/Lord_Howe', -1, 1, '1970-01-01T09:59:59.000000001+10:00'],
  ['Australia/Lord_Howe', -2208988801, 1, '1900-01-01T09:59:59.000000001+10:00'],
  ['Australia/Lord_Howe', -5000000000, 1, '1811-07-24T01:43:00.000000001+10:36'],
  ['Australia/Lord_Howe', 1000000000, 1, '2001-09-09T12:16:40.000000001+10:30'],
  ['Australia/Lord_Howe', 4102444800, 1, '2100-01-01T11:00:00.000000001+11:00'],
  ['Australia/Lord_Howe', -62167219200, 1, '0000-01-01T10:36:20.000000001+10:36'],
];

test('times in the zone of the machine are those of Go, summer time and old local times included', () => {
  for (const zone of new Set(written.map(([name]) => name))) {
    const wanted = written.filter(([name]) => name === zone);
    const script = `import { formatTime } from ${JSON.stringify(new URL('time.ts', import.meta.url).href)};
      for (const [, seconds, nanoseconds] of ${JSON.stringify(wanted)}) console.log(formatTime(seconds, nanoseconds));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TZ: zone },
      encoding: 'utf8',
    });
    assert.deepEqual(
      stdout.trim().split('\n'),
      wanted.map((row) => row[3]),
      `${zone} ${stderr}`,
    );
  }
});

test('a time is read as the instant that was written, in any zone of whole minutes', () => {
  const seconds = fc.integer({ min: -62_100_000_000, max: 253_300_000_000 });
  const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
  const offset = fc.integer({ min: -14 * 60, max: 14 * 60 });
  fc.assert(
    fc.property(seconds, nanoseconds, offset, (s, n, minutes) => {
      assert.deepEqual(parseTime(formatTime(s, n, minutes)), { seconds: s, nanoseconds: n });
    }),
  );
});

test('dates are those of the JavaScript calendar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_100_000_000, max: 253_300_000_000 }), (seconds) => {
      assert.equal(formatTime(seconds, 0, 0), new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'));
    }),
  );
});

test('years are held between 0 and 9999', () => {
  assert.equal(formatTime(-62_167_219_201, 1, 0), '0000-12-31T23:59:59.000000001Z');
  assert.match(formatTime(400_000_000_000, 5, 0), /^9999-/);
  assert.match(formatTime(2n ** 62n, 0, 0), /^9999-/);
});

test('instants are compared across zones and fractions', () => {
  assert.ok(sameInstant('2026-01-01T12:00:00.5+02:00', '2026-01-01T10:00:00.500Z'));
  assert.ok(!sameInstant('2026-01-01T12:00:00.5+02:00', '2026-01-01T10:00:00.500000001Z'));
  assert.ok(compareTimes('2026-01-01T23:59:59-05:00', '2026-01-02T00:00:00Z') > 0);
  assert.ok(compareTimes('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000000001Z') < 0);
});

test('milliseconds survive the way there and back', () => {
  assert.equal(millisecondsOf(formatMilliseconds(1_700_000_000_123)), 1_700_000_000_123);
  assert.equal(millisecondsOf(formatMilliseconds(-1)), -1);
});

test('what is not RFC 3339 is damage', () => {
  for (const text of ['', 'yesterday', '2026-01-01', '2026-01-01T00:00:00', '2026-1-1T00:00:00Z']) {
    assert.throws(
      () => parseTime(text),
      (error) => error instanceof LifeboatError && error.code === 'repository-damaged',
    );
  }
});

test('people may type a time with or without its clock', () => {
  const at = (text: string): number => new Date(text).getTime() / 1000;
  assert.deepEqual(parseHumanTime('2006-01-02 15:04:05'), {
    seconds: at('2006-01-02T15:04:05'),
    nanoseconds: 0,
  });
  assert.deepEqual(parseHumanTime(' 2006-01-02 '), { seconds: at('2006-01-02T00:00:00'), nanoseconds: 0 });
  assert.deepEqual(parseHumanTime('2006-01-02T15:04:05.25Z'), {
    seconds: 1_136_214_245,
    nanoseconds: 250_000_000,
  });
  for (const text of [
    '2006-02-30',
    '2006-13-01 00:00:00',
    '2006-01-02 24:00:00',
    '2006-01-02 10:60:00',
    'now',
  ]) {
    assert.equal(parseHumanTime(text), null, text);
  }
});
