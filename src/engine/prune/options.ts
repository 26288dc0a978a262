/** What decides how much prune repacks; names and meanings are those of restic's options. */
export interface PruneOptions {
  /** Unused bytes that may remain, given the bytes in use; Infinity for no limit. */
  readonly maxUnusedBytes: (usedBytes: number) => number;
  /** Bytes of packs to repack at most. */
  readonly maxRepackBytes: number;
  /** Repack only packs with trees, which are what a local cache holds. */
  readonly repackCacheableOnly: boolean;
  /** Repack packs with uncompressed data; in version 2 packs with uncompressed trees always are. */
  readonly repackUncompressed: boolean;
  /** Packs below this size are small, in bytes; 0: judged by the sizes of the packs that there are. */
  readonly smallPackBytes: number;
  /**
   * Packs with a smaller part that is unused (0 to 1) are not repacked; default: 0. Where packs cannot be removed before
   * their time, each that is repacked takes room twice until then.
   */
  readonly repackUnusedMin?: number;
}

/** Unused bytes so that they are at most this part (0 to below 1) of what remains. */
export function unusedShare(share: number): (usedBytes: number) => number {
  return (usedBytes) => Math.floor((share / (1 - share)) * usedBytes);
}

export const pruneDefaults: PruneOptions = {
  maxUnusedBytes: unusedShare(0.05),
  maxRepackBytes: Number.POSITIVE_INFINITY,
  repackCacheableOnly: false,
  repackUncompressed: false,
  smallPackBytes: 0,
};
