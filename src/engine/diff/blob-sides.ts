import type { Id } from '../../model/id.ts';
import { sealOverheadBytes } from '../../repository/crypto.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { BlobType } from '../../repository/index/table.ts';

/** On which sides of a comparison a blob was seen. */
export const before = 1;
export const after = 2;
/** Below a folder that both sides have in common. */
export const common = 4;

export interface BlobTotals {
  dataBlobs: number;
  treeBlobs: number;
  /** Of their content, before compression. */
  bytes: number;
}

export interface BlobSides {
  add(type: BlobType, id: Id, side: number): void;
  /** Whether the blob was seen on this side before. */
  has(type: BlobType, id: Id, side: number): boolean;
  /** What was seen on one side only. Blobs that the index does not know count without their size. */
  only(side: typeof before | typeof after): BlobTotals & { readonly unknown: readonly string[] };
}

/** One byte for each blob of the index, so that comparing large snapshots needs little memory. */
export function createBlobSides(index: BlobIndex): BlobSides {
  const { table } = index;
  const flags = new Uint8Array(table.count());
  const unknown = new Map<string, number>();
  const idBytes = Buffer.alloc(32);

  const entryOf = (type: BlobType, id: Id): number => {
    idBytes.write(id, 'hex');
    const entry = table.find(type, idBytes);
    return entry < flags.length ? entry : -1;
  };
  const nameOf = (type: BlobType, id: Id): string => `<${type}/${id}>`;

  return {
    add(type, id, side) {
      const entry = entryOf(type, id);
      if (entry >= 0) flags[entry]! |= side;
      else unknown.set(nameOf(type, id), (unknown.get(nameOf(type, id)) ?? 0) | side);
    },
    has(type, id, side) {
      const entry = entryOf(type, id);
      const seen = entry >= 0 ? flags[entry]! : (unknown.get(nameOf(type, id)) ?? 0);
      return (seen & side) !== 0;
    },
    only(side) {
      const totals = { dataBlobs: 0, treeBlobs: 0, bytes: 0 };
      for (let entry = 0; entry < flags.length; entry++) {
        if (flags[entry] !== side) continue;
        const { length, uncompressedLength } = table.locationOf(entry);
        totals[table.typeOf(entry) === 'tree' ? 'treeBlobs' : 'dataBlobs']++;
        totals.bytes += uncompressedLength || length - sealOverheadBytes;
      }
      const missing = [...unknown].filter(([, seen]) => seen === side).map(([name]) => name);
      for (const name of missing) totals[name.startsWith('<tree') ? 'treeBlobs' : 'dataBlobs']++;
      return { ...totals, unknown: missing };
    },
  };
}
