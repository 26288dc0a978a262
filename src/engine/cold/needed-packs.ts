import type { Id } from '../../model/id.ts';
import { type ClassedObject, isArchiveClass } from '../../model/storage-class.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { idOfKey } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { type RestoreSelection, selectAll } from '../restore/request.ts';
import { walkTree } from '../walk/walk-tree.ts';

/** Which packs reading a tree needs, and which of them are archived. */

/**
 * One page of a list: names of packs are hashes, so it is a fair sample of all, and a repository of a terabyte with
 * one pack in a hundred archived shows it with certainty. It costs one request.
 */
const sampleMax = 1000;

/** Whether there seem to be archived packs; false where the storage has no archive. */
export async function hasArchivedPacks({ storage }: Repository): Promise<boolean> {
  if (!storage.archive) return false;
  const sample = await storage.archive.list('data/', sampleMax);
  return sample.some(({ storageClass }) => isArchiveClass(storageClass));
}

export interface ArchivedPack {
  readonly id: Id;
  readonly object: ClassedObject;
}

/** All packs in an archive class, whether there is a copy to read or not. */
export async function listArchivedPacks(
  archive: NonNullable<Repository['storage']['archive']>,
): Promise<Map<Id, ArchivedPack>> {
  const found = new Map<Id, ArchivedPack>();
  for (const object of await archive.list('data/')) {
    const id = isArchiveClass(object.storageClass) ? idOfKey(object.key) : null;
    if (id !== null) found.set(id, { id, object });
  }
  return found;
}

/** Those of the packs that hold trees. */
export function withTrees(
  { table, packId, packCount }: BlobIndex,
  packs: ReadonlyMap<Id, ArchivedPack>,
): ArchivedPack[] {
  const found = new Set<Id>();
  const total = table.count();
  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    if (table.typeOf(entry) === 'tree' && pack < packCount()) found.add(packId(pack));
  }
  return [...packs.values()].filter(({ id }) => found.has(id));
}

export interface ReadingOf {
  /** Asked for once trees can be read: where it is a subfolder, finding it reads some. */
  readonly tree: () => Promise<Id>;
  /** Default: all of it. */
  readonly selection?: RestoreSelection;
  readonly signal: AbortSignal;
}

/** Packs with the content of the selected files. The trees must be readable. @throws LifeboatError `repository-damaged`. */
export async function packsOfContent(
  repository: Repository,
  index: BlobIndex,
  { tree, selection = selectAll, signal }: ReadingOf,
): Promise<Set<Id>> {
  const { table } = index;
  const packs = new Set<number>();
  const idBytes = Buffer.alloc(32);
  await walkTree(
    openBlobReader(repository, index),
    await tree(),
    {
      enter(location, node) {
        const isFolder = node.type === 'dir';
        const { selected, childMayBeSelected } = selection(location, isFolder);
        if (isFolder) return childMayBeSelected ? undefined : 'skip';
        if (!selected) return undefined;
        for (const id of node.content ?? []) {
          idBytes.write(id, 'hex');
          const entry = table.find('data', idBytes);
          if (entry >= 0) packs.add(table.packOf(entry));
        }
        return undefined;
      },
    },
    { signal },
  );
  return new Set([...packs].filter((pack) => pack < index.packCount()).map(index.packId));
}
