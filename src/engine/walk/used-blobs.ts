import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { BlobType } from '../../repository/index/table.ts';
import { type TreeSource, walkTree } from './walk-tree.ts';

/** The blobs that snapshots need, each once. One byte for each blob of the index; shared trees are read once. */
export interface UsedBlobs {
  /** Adds all blobs below a tree, and the tree. @throws LifeboatError `repository-damaged` for one not in the index. */
  add(tree: Id, signal: AbortSignal): Promise<void>;
  /** Numbers of the index entries of all blobs added so far. */
  entries(): Generator<number, void>;
}

export function collectUsedBlobs(source: TreeSource, index: BlobIndex): UsedBlobs {
  const { table } = index;
  const used = new Uint8Array(table.count());
  const idBytes = Buffer.alloc(32);

  /** Whether the blob was not used before. */
  function mark(type: BlobType, id: Id): boolean {
    idBytes.write(id, 'hex');
    const entry = table.find(type, idBytes);
    if (entry < 0 || entry >= used.length)
      throw new LifeboatError('repository-damaged', `${type} blob ${id} is not in the index`);
    const isNew = used[entry] === 0;
    used[entry] = 1;
    return isNew;
  }

  return {
    async add(tree, signal) {
      if (!mark('tree', tree)) return;
      await walkTree(
        source,
        tree,
        {
          enter(_path, node) {
            if (node.type === 'file') for (const id of node.content ?? []) mark('data', id);
            if (node.type !== 'dir' || node.subtree === undefined) return undefined;
            return mark('tree', node.subtree) ? undefined : 'skip';
          },
        },
        { signal },
      );
    },
    *entries() {
      for (let entry = 0; entry < used.length; entry++) if (used[entry] === 1) yield entry;
    },
  };
}
