import { selfTested } from './native.ts';
import { createNativeCompressor, createNativeDecompressor } from './zstd-native.ts';
import { createNodeCompressor, createNodeDecompressor } from './zstd-node.ts';

import { type CompressionMode, type ZstdParameters, zstdParameters } from './zstd-parameters.ts';

/** Zstandard frames (RFC 8878) with the content size in the header; without a checksum, as restic writes them, unless the parameters ask for one. */
export interface Compressor {
  /**
   * Compresses `src` into one frame at `dst[dstOffset…]`. Everything behind `dstOffset` may be overwritten,
   * also behind the frame.
   *
   * @returns the frame's bytes, or -1 when it does not fit
   * @throws LifeboatError 'internal' on anything else
   */
  compress(src: Uint8Array, dst: Uint8Array, dstOffset: number): number;
  /** Frees the native context. Any number of times; no other call may follow. */
  close(): void;
}

export interface Decompressor {
  /**
   * Decompresses all frames of `src` one after another into `dst`, never beyond its end; skippable frames
   * are skipped, and frames need not tell their content size.
   *
   * @returns the bytes written
   * @throws LifeboatError 'repository-damaged' when `src` is corrupt, truncated, or holds more than `dst` takes
   */
  decompress(src: Uint8Array, dst: Uint8Array): number;
  /** Frees the native context. Any number of times; no other call may follow. */
  close(): void;
}

/** The most bytes that compressing `length` bytes can give (ZSTD_COMPRESSBOUND). */
export function compressedBytesMax(length: number): number {
  const margin = length < 128 * 1024 ? (128 * 1024 - length) >>> 11 : 0;
  return length + (length >>> 8) + margin;
}

const sample = new Uint8Array(300).fill(97);

function compresses(candidate: Compressor): boolean {
  const frame = new Uint8Array(compressedBytesMax(sample.length));
  const length = candidate.compress(sample, frame, 0);
  const back = new Uint8Array(sample.length);
  const decompressor = createNodeDecompressor();
  const passes =
    length > 0 &&
    length < 100 &&
    candidate.compress(sample, frame, frame.length - 3) === -1 &&
    decompressor.decompress(frame.subarray(0, length), back) === sample.length &&
    Buffer.compare(back, sample) === 0;
  if (!passes) candidate.close();
  return passes;
}

/** `sample` as the reference implementation compresses it. */
const frameOfSample = Buffer.from('28b52ffd602c004d00001061610100272ac002', 'hex');

function decompresses(candidate: Decompressor): boolean {
  const back = new Uint8Array(300);
  const passes = candidate.decompress(frameOfSample, back) === 300 && Buffer.compare(back, sample) === 0;
  if (!passes) candidate.close();
  return passes;
}

/** A compressor for this thread; its context is reused from call to call. */
export function createCompressor(mode: CompressionMode | ZstdParameters): Compressor {
  const parameters = typeof mode === 'string' ? zstdParameters[mode] : mode;
  return selfTested(() => createNativeCompressor(parameters), compresses) ?? createNodeCompressor(parameters);
}

/** A decompressor for this thread; its context is reused from call to call. */
export function createDecompressor(): Decompressor {
  return selfTested(createNativeDecompressor, decompresses) ?? createNodeDecompressor();
}
