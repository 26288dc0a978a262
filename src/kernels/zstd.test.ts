import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { hasCode } from '../core/errors.ts';
import {
  type Compressor,
  compressedBytesMax,
  createCompressor,
  createDecompressor,
  type Decompressor,
} from './zstd.ts';
import { createNativeCompressor, createNativeDecompressor } from './zstd-native.ts';
import { createNodeCompressor, createNodeDecompressor } from './zstd-node.ts';
import { zstdParameters } from './zstd-parameters.ts';

const compressors: Array<[string, Compressor]> = [
  ['chosen', createCompressor('auto')],
  ['chosen max', createCompressor('max')],
  ['node', createNodeCompressor(zstdParameters.auto)],
];
const decompressors: Array<[string, Decompressor]> = [
  ['chosen', createDecompressor()],
  ['node', createNodeDecompressor()],
];
const nativeCompressor = createNativeCompressor(zstdParameters.auto);
if (nativeCompressor !== null) compressors.push(['native', nativeCompressor]);
const nativeDecompressor = createNativeDecompressor();
if (nativeDecompressor !== null) decompressors.push(['native', nativeDecompressor]);

const damaged = (error: unknown) => hasCode(error, 'repository-damaged');
const frameOf = (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes));
const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const skippable = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
const text = (length: number) => Uint8Array.from({ length }, (_, i) => 97 + ((i * i) % 7) + (i % 5));

test('whatever one version compresses, every version decompresses', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.integer({ min: 0, max: 200_000 }).map((length) => text(length)),
  );
  fc.assert(
    fc.property(bytes, fc.integer({ min: 0, max: 100 }), (src, offset) => {
      for (const [name, compressor] of compressors) {
        const dst = new Uint8Array(offset + compressedBytesMax(src.length)).fill(0x55);
        const length = compressor.compress(src, dst, offset);
        assert.ok(length > 0, name);
        assert.ok(dst.subarray(0, offset).every((byte) => byte === 0x55));
        const frame = dst.subarray(offset, offset + length);
        for (const [other, decompressor] of decompressors) {
          const back = new Uint8Array(src.length + 1);
          assert.equal(decompressor.decompress(frame, back), src.length, `${name} to ${other}`);
          assert.equal(Buffer.compare(back.subarray(0, src.length), src), 0);
          const exact = new Uint8Array(src.length);
          assert.equal(decompressor.decompress(frame, exact), src.length);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('a frame tells its content size and carries no checksum', () => {
  for (const [, compressor] of compressors) {
    const dst = new Uint8Array(2000);
    assert.ok(compressor.compress(text(1000), dst, 0) > 0);
    const descriptor = dst[4] ?? 0;
    assert.equal(descriptor & 4, 0);
    assert.ok((descriptor & 0x20) !== 0 || descriptor >> 6 !== 0);
  }
});

test('a destination that is too small gives -1 and stays usable', () => {
  const src = Uint8Array.from({ length: 5000 }, (_, i) => (i * 2654435761) >>> 24);
  for (const [name, compressor] of compressors) {
    const dst = new Uint8Array(6000);
    assert.equal(compressor.compress(src, dst, 5990), -1, name);
    assert.equal(compressor.compress(src, dst, 6000), -1, name);
    assert.equal(compressor.compress(src, dst, 7000), -1, name);
    assert.equal(compressor.compress(src, dst, -1), -1, name);
    assert.ok(compressor.compress(src, dst, 0) > 0, name);
  }
});

test('frames one after another, skippable frames and nothing at all are accepted', () => {
  const a = text(700);
  const b = text(333).map((byte) => byte + 1);
  const both = concat(skippable, frameOf(a), skippable, frameOf(b), skippable);
  for (const [name, decompressor] of decompressors) {
    const back = new Uint8Array(1033);
    assert.equal(decompressor.decompress(both, back), 1033, name);
    assert.deepEqual(back, concat(a, b));
    assert.equal(decompressor.decompress(new Uint8Array(0), back), 0, name);
    assert.equal(decompressor.decompress(frameOf(new Uint8Array(0)), new Uint8Array(0)), 0, name);
  }
});

test('frames without a content size are accepted', async () => {
  const stream = createZstdCompress({ params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
  stream.end(text(300_000));
  const frame = concat(...((await stream.toArray()) as Buffer[]));
  for (const [name, decompressor] of decompressors) {
    const back = new Uint8Array(300_000);
    assert.equal(decompressor.decompress(frame, back), 300_000, name);
    assert.deepEqual(back, text(300_000));
    assert.throws(() => decompressor.decompress(frame, new Uint8Array(299_999)), damaged, name);
  }
});

test('a frame that grows beyond its destination is refused, and nothing behind the destination changes', () => {
  const bomb = frameOf(new Uint8Array(10_000_000));
  for (const [name, decompressor] of decompressors) {
    const memory = new Uint8Array(4096).fill(0xaa);
    for (const room of [0, 1, 1000]) {
      assert.throws(() => decompressor.decompress(bomb, memory.subarray(500, 500 + room)), damaged, name);
      assert.ok(memory.subarray(500 + room).every((byte) => byte === 0xaa));
      assert.ok(memory.subarray(0, 500).every((byte) => byte === 0xaa));
    }
  }
});

test('truncated, trailing and foreign bytes are refused, and the decompressor stays usable', () => {
  const src = text(5000);
  const frame = frameOf(src);
  for (const [name, decompressor] of decompressors) {
    const back = new Uint8Array(6000);
    for (const bad of [
      frame.subarray(0, -1),
      frame.subarray(0, 7),
      concat(frame, Uint8Array.of(1, 2, 3, 4, 5, 6)),
      text(100),
    ]) {
      assert.throws(() => decompressor.decompress(bad, back), damaged, name);
    }
    assert.equal(decompressor.decompress(frame, back), 5000, name);
  }
});

test('shared memory serves as source and destination', () => {
  for (const [, compressor] of compressors) {
    const shared = new Uint8Array(new SharedArrayBuffer(20_000));
    shared.set(text(5000), 100);
    const length = compressor.compress(shared.subarray(100, 5100), shared, 6000);
    for (const [, decompressor] of decompressors) {
      decompressor.decompress(shared.subarray(6000, 6000 + length), shared.subarray(12_000, 17_000));
      assert.equal(Buffer.compare(shared.subarray(12_000, 17_000), text(5000)), 0);
    }
  }
});

test('a closed context is never used again', () => {
  const compressor = createCompressor('auto');
  compressor.close();
  compressor.close();
  const decompressor = createDecompressor();
  decompressor.close();
  decompressor.close();
  if (nativeCompressor !== null) {
    assert.throws(() => compressor.compress(text(10), new Uint8Array(100), 0), /closed/);
    assert.throws(() => decompressor.decompress(frameOf(text(10)), new Uint8Array(100)), /closed/);
  }
});
