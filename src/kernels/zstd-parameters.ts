/** The compression modes that restic's users know. 'off' stores blobs as they are and needs no compressor. */
export type CompressionMode = 'auto' | 'fastest' | 'better' | 'max';

/** Zstandard's own parameters, in the terms of its manual ("Advanced compression API"). */
export interface ZstdParameters {
  readonly level: number;
  /** Base-2 logarithm of how far back a match may reach; readers of the restic family accept up to 23. */
  readonly windowLog?: number;
  readonly hashLog?: number;
  readonly chainLog?: number;
  readonly searchLog?: number;
  readonly minMatch?: number;
  readonly targetLength?: number;
  /** 1 fast, 2 dfast, 3 greedy, 4 lazy, 5 lazy2, 6 btlazy2, 7 btopt. */
  readonly strategy?: number;
}

/**
 * Measured against restic 0.18's encoder (klauspost/compress with a window of 512 KiB) on 1.5 MB pieces of
 * libraries and on small text files: each mode stays within 1.03 times the size of restic's. `bench/kernels.ts`
 * measures them again.
 */
export const zstdParameters: Readonly<Record<CompressionMode, ZstdParameters>> = {
  // A hash table of 128 KiB is read from the first two levels of a core's cache, and one table of six bytes
  // finds nearly all that level 3 finds with two.
  auto: { level: 1, strategy: 1, windowLog: 20, hashLog: 15, minMatch: 6 },
  fastest: { level: 1, strategy: 1, windowLog: 19, hashLog: 13, minMatch: 6 },
  better: { level: 4, windowLog: 21 },
  max: { level: 11, windowLog: 22 },
};
