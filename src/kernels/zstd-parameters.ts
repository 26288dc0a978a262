/**
 * The compression modes that restic's users know, and what `auto` takes for data that shrinks to less than a
 * fifth. 'off' stores blobs as they are and needs no compressor.
 */
export type CompressionMode = 'auto' | 'repetitive' | 'fastest' | 'better' | 'max';

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
  /** 1: the frame ends with a checksum of its content, which every decompressor checks. */
  readonly checksum?: 0 | 1;
}

/**
 * Measured against the encoder of restic 0.18 (klauspost/compress with a window of 512 KiB): on libraries in
 * pieces of 1.5 MB and on small files each mode stays within 1.03 times the size of restic's mode of that name
 * and takes less time; `auto` was held against source text and SQL as well.
 * `npm run bench -- kernels zstd` measures speed and ratio again.
 */
export const zstdParameters: Readonly<Record<CompressionMode, ZstdParameters>> = {
  // One table of matches of six bytes, of 128 KiB, stays in the core's own cache. A table of twice the size gains
  // 1% on libraries and is slower by a tenth; matches of five bytes lose 18% on SQL.
  auto: { level: 1, strategy: 1, windowLog: 20, hashLog: 15, minMatch: 6 },
  // Pages of a database: two tables find 4% more, and where so little is left to write they cost 7%.
  repetitive: { level: 3 },
  fastest: { level: 1, strategy: 1, windowLog: 19, hashLog: 13, minMatch: 6 },
  better: { level: 4, windowLog: 21 },
  max: { level: 11, windowLog: 22 },
};

/**
 * For the log of a database. Its pages repeat near by: on write-ahead logs of pgbench and of bulk loads this table of
 * 32 KiB finds as much as larger ones, and takes a quarter less time than `auto`. Measured as above.
 */
export const logParameters: ZstdParameters = {
  level: 1,
  strategy: 1,
  windowLog: 18,
  hashLog: 13,
  minMatch: 6,
  checksum: 1,
};
