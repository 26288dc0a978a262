import type { Lsn } from '../model/wal.ts';

/** The slice that is being filled. */
export interface SliceBuffer {
  readonly start: Lsn;
  /** When it was begun, performance.now(). */
  readonly arrivedMs: number;
  /** The source's clock when it sent the last bytes, or null where it did not say. */
  readonly sentMs: number | null;
  /** Copies as much as fits. @returns bytes taken. */
  add(bytes: Uint8Array, sentMs: number | null): number;
  full(): boolean;
  /** The content, in memory of its own; the buffer is not to be used again. */
  take(): Uint8Array;
}

/** Memory that slices are filled in one after the other: to allocate it anew makes the garbage collector work hard. */
export interface SliceMemory {
  /** At least so many bytes. */
  take(bytes: number): Buffer;
  /** @param content what `SliceBuffer.take` gave, and nobody needs any more. */
  give(content: Uint8Array): void;
}

const keptBuffersMax = 2;
const keptBytesMax = 16 * 2 ** 20;

export function createSliceMemory(): SliceMemory {
  /** The largest last. */
  const free: Buffer[] = [];
  return {
    take(bytes) {
      const largest = free.at(-1);
      if (largest && largest.length >= bytes) return free.pop()!;
      return Buffer.allocUnsafeSlow(bytes);
    },
    give({ buffer }) {
      if (buffer.byteLength > keptBytesMax) return;
      free.push(Buffer.from(buffer as ArrayBuffer));
      free.sort((a, b) => a.length - b.length);
      if (free.length > keptBuffersMax) free.shift();
    },
  };
}

const firstBytes = 64 * 1024;

/** @param bytesMax at most this much is taken. Memory grows as bytes come: most slices stay small. */
export function createSliceBuffer(start: Lsn, bytesMax: number, pool: SliceMemory): SliceBuffer {
  let memory = pool.take(Math.min(firstBytes, bytesMax));
  let length = 0;
  let sentMs: number | null = null;

  function grow(needed: number): void {
    if (needed <= memory.length) return;
    const smaller = memory;
    memory = pool.take(Math.min(bytesMax, Math.max(needed, smaller.length * 4)));
    smaller.copy(memory, 0, 0, length);
    pool.give(smaller);
  }

  return {
    start,
    arrivedMs: performance.now(),
    get sentMs() {
      return sentMs;
    },
    add(bytes, sent) {
      const taken = Math.min(bytes.length, bytesMax - length);
      grow(length + taken);
      memory.set(bytes.subarray(0, taken), length);
      length += taken;
      sentMs = sent ?? sentMs;
      return taken;
    },
    full: () => length === bytesMax,
    take: () => memory.subarray(0, length),
  };
}
