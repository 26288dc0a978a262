import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { readChunks } from '../../src/kernels/chunk-reader.ts';
import { createChunker } from '../../src/kernels/rabin.ts';
import {
  type ChunkerLimits,
  createTwinChunker,
  resticLimits,
  type TwinChunk,
} from '../../src/kernels/twins/rabin.ts';
import {
  type ChunkVector,
  chunksOf19Bits,
  hugeChunks,
  polynomial,
  standardChunks,
  zerosSha256,
} from './chunker.ts';
import { goRandomBytes } from './go-random.ts';

const mebibyte = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Reads `data` in pieces whose sizes run through `sizes` again and again. */
function reader(data: Uint8Array, sizes: readonly number[]): (into: Uint8Array) => number {
  let at = 0;
  let turn = 0;
  return (into) => {
    const wanted = sizes[turn++ % sizes.length] ?? 1;
    const piece = data.subarray(at, at + Math.min(wanted, into.length));
    into.set(piece);
    at += piece.length;
    return piece.length;
  };
}

function cutByTwin(data: Uint8Array, sizes: readonly number[], limits: ChunkerLimits): TwinChunk[] {
  const chunker = createTwinChunker(polynomial, limits);
  const chunks: TwinChunk[] = [];
  let turn = 0;
  for (let at = 0; at < data.length; ) {
    const size = sizes[turn++ % sizes.length] ?? 1;
    chunks.push(...chunker.push(data.subarray(at, at + size)));
    at += size;
  }
  const last = chunker.end();
  return last === null ? chunks : [...chunks, last];
}

describe("restic/chunker's published vectors", () => {
  let data: Uint8Array;
  before(() => {
    data = goRandomBytes(23, 32 * mebibyte);
  });

  const wholeAndPieces = [[32 * mebibyte], [1, 65_537, 333, 1_000_003, 7]];

  test('the generator gives what Go gives', () => {
    assert.deepEqual([...new Uint32Array(data.buffer, 0, 3)], [3487928015, 2356368465, 953638426]);
  });

  test('the kernel cuts them, whole and in odd pieces, and each chunk has the published hash', () => {
    const chunker = createChunker(polynomial);
    for (const sizes of wholeAndPieces) {
      const next = readChunks(chunker, reader(data, sizes));
      for (const vector of standardChunks) {
        const chunk = next() ?? assert.fail('a chunk is missing');
        assert.equal(chunk.length, vector.length);
        assert.equal(sha256(chunk), vector.sha256);
      }
      assert.equal(next(), null);
      assert.equal(next(), null);
    }
  });

  test('the kernel cuts zeros at the smallest size', () => {
    const next = readChunks(createChunker(polynomial), reader(new Uint8Array(2 * mebibyte), [99_991]));
    for (let i = 0; i < 4; i++) assert.equal(sha256(next() ?? assert.fail()), zerosSha256);
    assert.equal(next(), null);
  });

  const cases: Array<[string, ChunkVector[], ChunkerLimits]> = [
    ['with the standard limits', standardChunks, resticLimits],
    ['with 19 bits', chunksOf19Bits, { ...resticLimits, averageBits: 19 }],
    [
      'with chunks of 16 MiB and more',
      hugeChunks,
      { chunkBytesMin: 16 * mebibyte, chunkBytesMax: 32 * mebibyte, averageBits: 20 },
    ],
  ];
  for (const [name, vectors, limits] of cases) {
    test(`the twin cuts them ${name}, with the published fingerprints`, () => {
      for (const sizes of wholeAndPieces) {
        const expected = vectors.map(({ length, fingerprint }) => ({ length, fingerprint }));
        assert.deepEqual(cutByTwin(data, sizes, limits), expected);
      }
    });
  }
});
