import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomOf } from '../../test/random.ts';
import { type CutRule, createChunker, fineRule, resticRule } from './rabin.ts';
import { createTwinChunker } from './twins/rabin.ts';

const polynomial = 0x3da3358b4dc173n;
const content = randomOf('cut rules').bytes(3_000_000);
content.fill(7, 1_000_000, 1_200_000);

function twinLengths(bytes: Uint8Array, rule: CutRule): number[] {
  const twin = createTwinChunker(polynomial, rule);
  const lengths = twin.push(bytes).map(({ length }) => length);
  const last = twin.end();
  return last === null ? lengths : [...lengths, last.length];
}

function kernelLengths(bytes: Uint8Array, rule: CutRule): number[] {
  const chunker = createChunker(polynomial, 4 * 1024 * 1024, rule);
  chunker.input.set(bytes);
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = chunker.nextCut(start, bytes.length);
    lengths.push(end - start);
    start = end;
  }
  return lengths;
}

test('the kernel cuts finely where its twin does', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 13, max: 19 }),
      fc.integer({ min: 0, max: content.length }),
      fc.integer({ min: 0, max: 600_000 }),
      (bits, from, length) => {
        const bytes = content.subarray(from, from + length);
        const rule = fineRule(2 ** bits);
        assert.deepEqual(kernelLengths(bytes, rule), twinLengths(bytes, rule));
      },
    ),
    { numRuns: 30 },
  );
});

test('chunks are about as large as asked for', () => {
  const random = content.subarray(1_200_000);
  for (const averageBytes of [8192, 65_536]) {
    const lengths = kernelLengths(random, fineRule(averageBytes));
    const mean = random.length / lengths.length;
    // Lengths beyond the smallest are exponential: five standard errors of the mean of so many.
    const leeway = (5 * averageBytes) / Math.sqrt(random.length / averageBytes);
    const expected = 1.2 * averageBytes;
    assert.ok(Math.abs(mean - expected) < leeway, `${mean} for ${averageBytes}`);
  }
});

test('the rule of large chunks is that of restic', () => {
  assert.equal(fineRule(1024 * 1024), resticRule);
  assert.throws(() => fineRule(4096), RangeError);
  assert.throws(() => fineRule(10_000), RangeError);
});
