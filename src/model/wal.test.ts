import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatLsn,
  historyName,
  parseHistory,
  parseHistoryName,
  parseLsn,
  parseSegmentName,
  segmentAt,
  segmentBefore,
  segmentName,
} from './wal.ts';

const mebibyte = 1024 * 1024;

describe('positions in the log', () => {
  test('are printed as PostgreSQL prints them', () => {
    assert.equal(parseLsn('16/B374D848'), 0x16b374d848n);
    assert.equal(formatLsn(0x16b374d848n), '16/B374D848');
    assert.equal(formatLsn(0n), '0/0');
    for (const text of ['', '16', '16/', '/1', 'G/0', '123456789/0', '1/0 '])
      assert.equal(parseLsn(text), null);
  });

  test('lie in segments, whose names PostgreSQL gives them (pg_walfile_name)', () => {
    const name = (lsn: string, bytes: number): string =>
      segmentName(segmentAt(1, parseLsn(lsn)!, bytes), bytes);
    assert.equal(name('16/B374D848', 16 * mebibyte), '0000000100000016000000B3');
    assert.equal(name('16/B374D848', mebibyte), '000000010000001600000B37');
    assert.equal(name('16/B374D848', 1024 * mebibyte), '000000010000001600000002');
    assert.equal(segmentBefore(1, 0x2000000n, 16 * mebibyte).number, 1n);
  });

  test('names are read back, and only names', () => {
    const segment = parseSegmentName('0000000A00000016000000B3', 16 * mebibyte)!;
    assert.deepEqual(segment, { timeline: 10, number: 0x16b3n });
    assert.equal(segmentName(segment, 16 * mebibyte), '0000000A00000016000000B3');
    for (const text of [
      '0000000A0000001600000100',
      '0000000a00000016000000b3',
      '0000000A00000016000000B3.partial',
    ])
      assert.equal(parseSegmentName(text, 16 * mebibyte), null);
  });
});

describe('timeline histories', () => {
  test('name the ancestors with the position where each was left', () => {
    assert.deepEqual(
      parseHistory('1\t0/3000148\tno recovery target specified\n\n# said\n2\t0/5000000\tbefore 2026\n'),
      [
        { timeline: 1, end: 0x3000148n, reason: 'no recovery target specified' },
        { timeline: 2, end: 0x5000000n, reason: 'before 2026' },
      ],
    );
    assert.equal(parseHistory('2\t0/1\tx\n1\t0/2\tx\n'), null);
    assert.equal(parseHistory('what?'), null);
  });

  test('have names of their own', () => {
    assert.equal(historyName(26), '0000001A.history');
    assert.equal(parseHistoryName('0000001A.history'), 26);
    assert.equal(parseHistoryName('0000001A.history.tmp'), null);
  });
});
