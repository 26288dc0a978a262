import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import { compressedEntryBytes, headerFileBytes, plainEntryBytes } from '../../repository/pack.ts';
import type { PruneStats } from './stats.ts';

/** What of each pack is in use; every array goes by pack number. Bytes of headers count as used. */
export interface PackUsage {
  readonly usedBlobs: Uint32Array;
  readonly unusedBlobs: Uint32Array;
  readonly usedBytes: Float64Array;
  readonly unusedBytes: Float64Array;
  /** `packData` and `packTree` as bits; both: a mixed pack. */
  readonly kinds: Uint8Array;
  readonly uncompressed: Uint8Array;
}

export const packData = 1;
export const packTree = 2;

const copiesMax = 255;

/**
 * Counts what is used, pack by pack. Of a blob with several copies exactly one counts as used: one in a pack
 * that is needed anyway, or that has nothing but duplicates (an interrupted prune leaves such packs); else the
 * last one (restic internal/repository/prune.go, packInfoFromIndex).
 * @param used first copies of the blobs in use.
 */
export function measurePacks(index: BlobIndex, used: EntrySet, { blobs, bytes }: PruneStats): PackUsage {
  const { table } = index;
  const total = table.count();
  const packs = index.packCount();
  const usage: PackUsage = {
    usedBlobs: new Uint32Array(packs),
    unusedBlobs: new Uint32Array(packs),
    usedBytes: new Float64Array(packs).fill(headerFileBytes(0)),
    unusedBytes: new Float64Array(packs),
    kinds: new Uint8Array(packs),
    uncompressed: new Uint8Array(packs),
  };
  const { usedBlobs, unusedBlobs, usedBytes, unusedBytes, kinds, uncompressed } = usage;
  const copies = countCopies(index, used);
  const duplicates = createEntrySet(total);
  const duplicatesOfPack = new Uint32Array(packs);

  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    const length = table.lengthOf(entry);
    const compressed = table.isCompressed(entry);
    usedBytes[pack]! += compressed ? compressedEntryBytes : plainEntryBytes;
    kinds[pack]! |= table.typeOf(entry) === 'data' ? packData : packTree;
    if (!compressed) uncompressed[pack] = 1;
    const count = copies[table.firstCopyOf(entry)]!;
    if (count === 1) {
      usedBytes[pack]! += length;
      usedBlobs[pack]!++;
      bytes.used += length;
      blobs.used++;
      continue;
    }
    unusedBytes[pack]! += length;
    unusedBlobs[pack]!++;
    if (count >= 2) {
      duplicates.add(entry);
      duplicatesOfPack[pack]!++;
      bytes.duplicate += length;
      blobs.duplicate++;
    } else {
      bytes.unused += length;
      blobs.unused++;
    }
  }

  for (let entry = 0; entry < total; entry++) {
    if (!duplicates.has(entry)) continue;
    const first = table.firstCopyOf(entry);
    const left = copies[first]!;
    // Chosen already.
    if (left === 0) continue;
    const pack = table.packOf(entry);
    const onlyDuplicates = duplicatesOfPack[pack] === unusedBlobs[pack];
    if (usedBlobs[pack]! === 0 && !onlyDuplicates && left > 1) {
      copies[first] = left - 1;
      continue;
    }
    copies[first] = 0;
    const length = table.lengthOf(entry);
    usedBytes[pack]! += length;
    usedBlobs[pack]!++;
    unusedBytes[pack]! -= length;
    unusedBlobs[pack]!--;
    bytes.used += length;
    blobs.used++;
    bytes.duplicate -= length;
    blobs.duplicate--;
  }
  return usage;
}

/** Copies of each used blob by its first entry. Beyond 255 the choice among them gets worse, no more. */
function countCopies({ table }: BlobIndex, used: EntrySet): Uint8Array {
  const total = table.count();
  const copies = new Uint8Array(total);
  for (let entry = 0; entry < total; entry++) {
    const first = table.firstCopyOf(entry);
    if (used.has(first) && copies[first]! < copiesMax) copies[first]!++;
  }
  return copies;
}
