import { createHash } from 'node:crypto';
import type { Id } from '../../src/model/id.ts';
import { encodeNode } from '../../src/model/tree.ts';
import type { BlobReader } from '../../src/repository/blob-reader.ts';

/** A hash over everything that a restore of a tree would bring back: all metadata, all content, in order. */
export async function fingerprintOf(reader: BlobReader, root: Id): Promise<string> {
  const hash = createHash('sha256');
  async function add(tree: Id): Promise<void> {
    for (const node of await reader.loadTree(tree)) {
      const { subtree, content, ...metadata } = node;
      hash.update(encodeNode({ ...metadata, content: content === null ? null : [] }));
      for (const blob of content ?? []) hash.update(await reader.loadBlob('data', blob));
      if (subtree !== undefined) await add(subtree);
    }
  }
  await add(root);
  return hash.digest('hex');
}
