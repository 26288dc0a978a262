/** The compression modes that restic's users know. 'off' stores blobs as they are and needs no compressor. */
export type CompressionMode = 'auto' | 'max';

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

export const zstdParameters: Readonly<Record<CompressionMode, ZstdParameters>> = {
  auto: { level: 3 },
  max: { level: 11, windowLog: 22 },
};
