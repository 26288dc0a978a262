import type { PruneOptions } from './options.ts';
import { type PackUsage, packData, packTree } from './pack-usage.ts';
import type { PruneStats } from './stats.ts';

/** Least target size of packs in restic. */
const packBytesMin = 4 * 1024 * 1024;
/** So many small packs are worth joining; fewer would be repacked again and again. */
const smallPacksMin = 10;

/**
 * Packs below this size are small: four fifths of the size that 3% of the packs stay below, at least of 4 MiB;
 * or what the option says (restic internal/repository/prune.go, calculateTargetPacksize).
 */
export function smallBelowBytes(sizes: readonly number[], { smallPackBytes }: PruneOptions): number {
  if (smallPackBytes > 0) return smallPackBytes;
  if (sizes.length === 0) return 0;
  const sorted = Float64Array.from(sizes).sort();
  return Math.floor((Math.max(packBytesMin, sorted[Math.floor((sizes.length * 3) / 100)]!) * 4) / 5);
}

/** By pack number. */
export interface ChoiceLocks {
  isLocked(pack: number): boolean;
  isHeld(pack: number): boolean;
}

/** Sorts the packs in storage into those to repack, those to delete, and those to delete when they no longer are locked; the rest stays. Adds to `stats`. */
export function choosePacks(
  packs: readonly number[],
  usage: PackUsage,
  version: 1 | 2,
  smallBelow: number,
  options: PruneOptions,
  { blobs, bytes, packfiles }: PruneStats,
  { isLocked, isHeld }: ChoiceLocks,
): { repack: number[]; remove: number[]; locked: number[] } {
  const { usedBlobs, unusedBlobs, usedBytes, unusedBytes, kinds, uncompressed } = usage;
  const sizeOf = (pack: number): number => usedBytes[pack]! + unusedBytes[pack]!;
  const isPureData = (pack: number): boolean => kinds[pack] === packData;
  const mustCompress = (pack: number): boolean =>
    version >= 2 && uncompressed[pack] === 1 && (kinds[pack] === packTree || options.repackUncompressed);

  const remove: number[] = [];
  const locked: number[] = [];
  let lockedBytes = 0;
  const candidates: number[] = [];
  const small: number[] = [];
  for (const pack of packs) {
    if (usedBlobs[pack] === 0) packfiles.unused++;
    else if (unusedBlobs[pack] === 0) packfiles.used++;
    else packfiles.partly_used++;
    if (uncompressed[pack] === 1) bytes.uncompressed += sizeOf(pack);

    const whole = unusedBlobs[pack] === 0 && kinds[pack] !== (packData | packTree) && !mustCompress(pack);
    if (usedBlobs[pack] === 0 && isLocked(pack)) {
      locked.push(pack);
      lockedBytes += unusedBytes[pack]!;
      packfiles.keep++;
    } else if (usedBlobs[pack] === 0) {
      remove.push(pack);
      blobs.remove += unusedBlobs[pack]!;
      bytes.remove += unusedBytes[pack]!;
    } else if (options.repackCacheableOnly && isPureData(pack)) packfiles.keep++;
    else if (!whole) candidates.push(pack);
    else if (sizeOf(pack) < smallBelow) small.push(pack);
    else packfiles.keep++;
  }
  if (small.length < smallPacksMin) packfiles.keep += small.length;
  else candidates.push(...small);

  // Packs with trees first, then small ones, then those with the largest unused part.
  const rank = (pack: number): number => (isPureData(pack) ? (sizeOf(pack) < smallBelow ? 1 : 2) : 0);
  const unusedPart = (pack: number): number => unusedBytes[pack]! / sizeOf(pack);
  candidates.sort((a, b) => rank(a) - rank(b) || unusedPart(b) - unusedPart(a) || a - b);

  const repack: number[] = [];
  const maxUnusedAfter = options.maxUnusedBytes(bytes.used);
  for (const pack of candidates) {
    // What is locked goes by itself in time.
    const unusedLeft = bytes.duplicate + bytes.unused - bytes.remove - bytes.repack_remove - lockedBytes;
    const limitReached = bytes.repack + sizeOf(pack) >= options.maxRepackBytes;
    const wanted =
      !isPureData(pack) || mustCompress(pack) || unusedLeft >= maxUnusedAfter || sizeOf(pack) < smallBelow;
    const tooUsed =
      !mustCompress(pack) && sizeOf(pack) >= smallBelow && unusedPart(pack) < (options.repackUnusedMin ?? 0);
    if (limitReached || !wanted || tooUsed || isHeld(pack)) {
      packfiles.keep++;
      continue;
    }
    repack.push(pack);
    blobs.repack += unusedBlobs[pack]! + usedBlobs[pack]!;
    bytes.repack += sizeOf(pack);
    blobs.repack_remove += unusedBlobs[pack]!;
    bytes.repack_remove += unusedBytes[pack]!;
    if (uncompressed[pack] === 1) bytes.uncompressed -= sizeOf(pack);
  }
  packfiles.repack = repack.length;
  packfiles.remove = remove.length;
  if (version < 2) bytes.uncompressed = 0;
  return { repack, remove, locked };
}
