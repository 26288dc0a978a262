import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readChunks } from './chunk-reader.ts';
import { randomPolynomial } from './polynomial.ts';
import { chunkBytesMax, chunkBytesMin, createChunker } from './rabin.ts';
import { createTwinChunker } from './twins/rabin.ts';

const mebibyte = 1024 * 1024;

/** Bytes that look random, the same for the same seed. */
function noise(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

function twinLengths(polynomial: bigint, data: Uint8Array): number[] {
  const twin = createTwinChunker(polynomial);
  const lengths = twin.push(data).map(({ length }) => length);
  const last = twin.end();
  return last === null ? lengths : [...lengths, last.length];
}

function lengthsOf(next: () => Uint8Array | null): number[] {
  const lengths: number[] = [];
  for (let chunk = next(); chunk !== null; chunk = next()) lengths.push(chunk.length);
  return lengths;
}

function readerOf(data: Uint8Array, pieceBytes: number): (into: Uint8Array) => number {
  let at = 0;
  return (into) => {
    const piece = data.subarray(at, at + Math.min(pieceBytes, into.length));
    into.set(piece);
    at += piece.length;
    return piece.length;
  };
}

test('the kernel cuts where the twin cuts, for any polynomial, data and piece size', () => {
  // Repeated stretches make many windows alike; runs of one byte reach both limits.
  const data = fc.record({
    seed: fc.integer(),
    length: fc.integer({ min: 0, max: 5 * mebibyte }),
    period: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 })),
    constantFrom: fc.integer({ min: 0, max: 8 * mebibyte }),
  });
  fc.assert(
    fc.property(data, fc.integer({ min: 1000, max: 3 * mebibyte }), (shape, pieceBytes) => {
      const bytes = noise(shape.seed, shape.length);
      if (shape.period > 0)
        for (let i = shape.period; i < bytes.length; i++) bytes[i] = bytes[i - shape.period] ?? 0;
      bytes.fill(shape.seed & 255, shape.constantFrom);
      const polynomial = randomPolynomial();
      const chunker = createChunker(polynomial);
      assert.deepEqual(
        lengthsOf(readChunks(chunker, readerOf(bytes, pieceBytes))),
        twinLengths(polynomial, bytes),
      );
    }),
    { numRuns: 12 },
  );
});

test('the kernel finds a cut at every position of its lanes', () => {
  const polynomial = 0x3da3358b4dc173n;
  const chunker = createChunker(polynomial, 2 * mebibyte);
  // 64 zeros have fingerprint 0, and among ones nothing else has: the cut comes right behind the zeros.
  for (const distance of [
    0, 1, 15, 16, 17, 255, 256, 2111, 2112, 2113, 4223, 33_791, 33_792, 33_793, 34_000, 67_600, 99_999,
  ]) {
    chunker.input.fill(1);
    const zerosEnd = 100 + chunkBytesMin + distance;
    chunker.input.fill(0, zerosEnd - 64, zerosEnd);
    assert.equal(chunker.nextCut(100, 2 * mebibyte), zerosEnd, `${distance} bytes behind the smallest size`);
    assert.equal(chunker.nextCut(100, zerosEnd, false), zerosEnd);
    assert.equal(chunker.nextCut(100, zerosEnd - 1, false), -1);
    assert.equal(chunker.nextCut(100, 2 * mebibyte, true, zerosEnd - 1), zerosEnd);
  }
});

test('of several cuts the first is taken, in whichever lane it lies', () => {
  const chunker = createChunker(0x3da3358b4dc173n, 2 * mebibyte);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 80_000 }), { minLength: 1, maxLength: 6 }),
      (distances) => {
        chunker.input.fill(1);
        for (const distance of distances) {
          chunker.input.fill(0, chunkBytesMin + distance - 64, chunkBytesMin + distance);
        }
        const first = Math.min(...distances);
        // Overlapping runs of zeros are longer than the window: each position behind 64 zeros is a cut.
        assert.equal(chunker.nextCut(0, 2 * mebibyte), chunkBytesMin + first);
      },
    ),
    { numRuns: 40 },
  );
});

test('a chunk without a cut ends at the largest size, and data below the smallest size is one chunk', () => {
  const chunker = createChunker(0x3da3358b4dc173n);
  chunker.input.fill(1);
  assert.equal(chunker.nextCut(5, chunker.input.length), 5 + chunkBytesMax);
  assert.equal(chunker.nextCut(5, 5 + chunkBytesMax, false), 5 + chunkBytesMax);
  assert.equal(chunker.nextCut(5, 4 + chunkBytesMax, false), -1);
  assert.equal(chunker.nextCut(5, 4 + chunkBytesMax), 4 + chunkBytesMax);
  assert.equal(chunker.nextCut(10, 20), 20);
  assert.equal(chunker.nextCut(10, 20, false), -1);
  assert.equal(chunker.nextCut(10, 10), 10);
});

test('positions outside the input and polynomials of another degree are refused', () => {
  const chunker = createChunker(0x3da3358b4dc173n, mebibyte);
  for (const [start, end] of [
    [-1, 5],
    [6, 5],
    [0, mebibyte + 1],
    [Number.NaN, 5],
  ] as const) {
    assert.throws(() => chunker.nextCut(start, end), RangeError);
  }
  assert.throws(() => createChunker(0x1da3358b4dc173n), RangeError);
});

test('an error of the reader passes through', () => {
  const next = readChunks(createChunker(0x3da3358b4dc173n), () => {
    throw new Error('the disk is on fire');
  });
  assert.throws(next, /on fire/);
});
