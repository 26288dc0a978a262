import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { parseIndex } from '../../repository/index/codec.ts';
import type { PackedBlob } from '../../repository/pack.ts';
import type { Repository } from '../../repository/repository.ts';

/** A pack that more than one index file describes, or one file more than once. */
export interface RepeatedPack {
  readonly id: Id;
  readonly files: readonly Id[];
  /** Whether all say the same. Before restic 0.10 a pack's blobs could be spread over files; it is damage now. */
  readonly agree: boolean;
}

const describe = (blobs: readonly PackedBlob[]): string =>
  blobs
    .map((blob) => `${blob.offset} ${blob.length} ${blob.uncompressedLength} ${blob.type} ${blob.id}`)
    .sort()
    .join('\n');

/**
 * Packs that index files describe repeatedly (restic internal/repository/checker.go, LoadIndex). The files in
 * question are read a second time to compare what they say.
 */
export async function findRepeatedPacks(repository: Repository, index: BlobIndex): Promise<RepeatedPack[]> {
  const times = new Uint32Array(index.packCount());
  for (const packs of index.files.values()) for (const pack of packs) times[pack]!++;
  if (!times.some((count) => count > 1)) return [];

  const found = new Map<Id, { files: Set<Id>; descriptions: Set<string> }>();
  for (const [file, packs] of index.files) {
    if (!packs.some((pack) => times[pack]! > 1)) continue;
    for (const { id, blobs } of parseIndex(await repository.files.load('index', file), file)) {
      if (times[index.packNumber(id)]! < 2) continue;
      let pack = found.get(id);
      if (!pack) found.set(id, (pack = { files: new Set(), descriptions: new Set() }));
      pack.files.add(file);
      pack.descriptions.add(describe(blobs));
    }
  }
  return [...found].map(([id, { files, descriptions }]) => ({
    id,
    files: [...files],
    agree: descriptions.size === 1,
  }));
}
