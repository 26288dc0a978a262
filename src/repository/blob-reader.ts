import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { TreeNode } from '../model/node.ts';
import { parseTree, treeOrderProblem, unsafeName } from '../model/tree.ts';
import { createBlobDecoder } from './blob-decoder.ts';
import type { BlobIndex } from './index/blob-index.ts';
import type { BlobType } from './index/table.ts';
import { openPackFiles } from './pack-files.ts';
import type { Repository } from './repository.ts';

/** Reading single blobs on the main thread: trees, and content for `dump` and `cat`. */
export interface BlobReader {
  /** A copy that is the caller's. @throws LifeboatError `repository-damaged` where no intact copy is found. */
  loadBlob(type: BlobType, id: Id): Promise<Buffer>;
  /** @throws LifeboatError `repository-damaged`, also for names that must not be and for a wrong order. */
  loadTree(id: Id): Promise<TreeNode[]>;
  /** Closes the packs it keeps open; reading may go on after. */
  close(): void;
}

export function openBlobReader(repository: Repository, index: BlobIndex): BlobReader {
  const decoder = createBlobDecoder(repository.sealer);
  const packs = openPackFiles(repository.storage);

  async function loadBlob(type: BlobType, id: Id): Promise<Buffer> {
    const copies = index.findAll(type, id);
    if (copies.length === 0) {
      throw new LifeboatError('repository-damaged', `${type} blob ${id} is in no pack that the index knows`, {
        hint: 'run `lifeboat repair index`; if that does not find it, `lifeboat repair snapshots`',
      });
    }
    let failure: unknown;
    for (const { packId, offset, length, uncompressedLength } of copies) {
      try {
        const reading = packs.read(type, packId, offset, length);
        const sealed = reading instanceof Promise ? await reading : reading;
        if (sealed.length !== length)
          throw new LifeboatError('repository-damaged', `pack ${packId} ends before ${type} blob ${id}`);
        return Buffer.from(decoder.decode({ id, uncompressedLength }, sealed));
      } catch (error) {
        // Another pack may hold an intact copy; the last failure is reported when none does.
        if (!hasCode(error, 'repository-damaged', 'storage-missing-file', 'storage-failed')) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  return {
    loadBlob,
    async loadTree(id) {
      const nodes = parseTree(await loadBlob('tree', id));
      const order = treeOrderProblem(nodes);
      if (order) throw new LifeboatError('repository-damaged', `tree ${id}: ${order}`);
      for (const { name } of nodes) {
        const why = unsafeName(name);
        if (why)
          throw new LifeboatError('tree-unsafe', `tree ${id} has an entry with an unsafe name: ${why}`);
      }
      return nodes;
    },
    close: packs.close,
  };
}
