import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { compressedEntryBytes, headerFileBytes, plainEntryBytes } from '../../repository/pack.ts';

/** What the index says of packs: their entries and the size they must have, by pack number. */
export interface IndexedPacks {
  /** Number of packs, those without blobs counted. */
  readonly count: number;
  id(pack: number): Id;
  /** Entries of the blobs in a pack; of an unknown pack none. A view that is not to be changed. */
  entries(pack: number): Int32Array;
  /** Size of the file, header included. */
  bytes(pack: number): number;
  /** Which types of blobs it has. */
  types(pack: number): { readonly data: boolean; readonly tree: boolean };
}

const hasData = 1;
const hasTree = 2;

/** Groups all entries by pack: 4 bytes a blob. */
export function groupByPack(index: BlobIndex): IndexedPacks {
  const { table } = index;
  const count = index.packCount();
  const total = table.count();
  const starts = new Int32Array(count + 1);
  const sizes = new Float64Array(count).fill(headerFileBytes(0));
  const types = new Uint8Array(count);
  for (let entry = 0; entry < total; entry++) {
    const { pack, length, uncompressedLength } = table.locationOf(entry);
    if (pack >= count) continue;
    starts[pack + 1]!++;
    sizes[pack]! += length + (uncompressedLength === 0 ? plainEntryBytes : compressedEntryBytes);
    types[pack]! |= table.typeOf(entry) === 'tree' ? hasTree : hasData;
  }
  for (let pack = 0; pack < count; pack++) starts[pack + 1]! += starts[pack]!;
  const entries = new Int32Array(starts[count]!);
  const next = starts.slice(0, count);
  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    if (pack < count) entries[next[pack]!++] = entry;
  }
  return {
    count,
    id: index.packId,
    entries: (pack) => entries.subarray(starts[pack], starts[pack + 1]),
    bytes: (pack) => sizes[pack]!,
    types: (pack) => ({ data: (types[pack]! & hasData) !== 0, tree: (types[pack]! & hasTree) !== 0 }),
  };
}
