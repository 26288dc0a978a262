import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  durationMs,
  durationPattern,
  formatDurationMs,
  formatSize,
  sizeBytes,
  sizePattern,
} from './units.ts';

describe('units', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 9), (number) => {
        const duration = formatDurationMs(number);
        assert.match(duration, durationPattern);
        assert.equal(durationMs(duration), number);
        const size = formatSize(number);
        assert.match(size, sizePattern);
        assert.equal(sizeBytes(size), number);
      }),
    );
    assert.deepEqual(
      ['1500ms', '5s', '1h30m', '30d', '2w'].map((text) => formatDurationMs(durationMs(text))),
      ['1500ms', '5s', '90m', '30d', '14d'],
    );
    assert.deepEqual([formatSize(2 ** 24), formatSize(1000)], ['16MiB', '1000B']);
  });

  it('are required', () => {
    for (const text of ['5', 's', '-5s', '5 s', '5S', '5y']) assert.doesNotMatch(text, durationPattern);
    for (const text of ['5', '1.5G', '16MB', '-1G', '1P']) assert.doesNotMatch(text, sizePattern);
  });
});
