import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import { type PackedBlob, readHeader } from '../../repository/pack.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { type ObjectQuery, prefixMatcher } from './find-objects.ts';

/**
 * The blobs and trees in packs given by their IDs or the beginnings of those: as the pack's own header says,
 * or the index where the pack is gone or damaged.
 *
 * @throws LifeboatError `object-missing` naming the packs of which nothing is known.
 */
export async function contentsOfPacks(
  repository: Repository,
  index: BlobIndex,
  packs: readonly string[],
): Promise<ObjectQuery> {
  const prefixOf = prefixMatcher(packs);
  const missing = new Set(packs.map((pack) => pack.toLowerCase()));
  const blobs = new Set<Id>();
  const trees = new Set<Id>();
  const add = ({ type, id }: Pick<PackedBlob, 'type' | 'id'>): void =>
    void (type === 'tree' ? trees : blobs).add(id);

  for (const { id, size } of await listFiles(repository.storage, 'data')) {
    const prefix = prefixOf(id);
    if (prefix === null) continue;
    const read = (offset: number, length: number): Promise<Buffer> =>
      repository.storage.load(keyOf('data', id), { offset, length });
    try {
      for (const blob of await readHeader(repository.sealer, id, size, read)) add(blob);
      missing.delete(prefix);
    } catch (error) {
      // What the index says about a damaged pack is the better answer than none.
      if (!hasCode(error, 'repository-damaged', 'storage-missing-file')) throw error;
    }
  }
  if (missing.size > 0) {
    const wanted = prefixMatcher([...missing]);
    for (const [number, entries] of index.entriesByPack()) {
      const prefix = wanted(index.packId(number));
      if (prefix === null) continue;
      for (const entry of entries) add(index.blobAt(entry));
      missing.delete(prefix);
    }
  }
  if (missing.size > 0) {
    throw new LifeboatError(
      'object-missing',
      `no pack and no index entry has an ID that begins with ${[...missing].sort().join(', ')}`,
    );
  }
  return { blobs: [...blobs], trees: [...trees] };
}
