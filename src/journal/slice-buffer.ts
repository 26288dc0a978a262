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

const firstBytes = 64 * 1024;

/** @param bytesMax at most this much is taken. Memory grows as bytes come: most slices stay small. */
export function createSliceBuffer(start: Lsn, bytesMax: number): SliceBuffer {
  let memory = Buffer.allocUnsafeSlow(Math.min(firstBytes, bytesMax));
  let length = 0;
  let sentMs: number | null = null;

  function grow(needed: number): void {
    if (needed <= memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(needed, memory.length * 4)));
    memory.copy(larger, 0, 0, length);
    memory = larger;
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
