import type { ByteString } from '../../core/bytestring.ts';
import type { Id } from '../../model/id.ts';
import { type TreeSource, walkTree } from '../walk/walk-tree.ts';
import { rememberBarrenTrees } from './barren-trees.ts';
import type { UnreadableTree } from './find-entries.ts';

/** Searching snapshots for blobs and trees by their IDs or the beginnings of those. */
export interface ObjectQuery {
  readonly blobs: readonly string[];
  readonly trees: readonly string[];
}

export interface FoundObject {
  readonly kind: 'blob' | 'tree';
  readonly id: Id;
  /** Of the file that has the blob, or of the folder; `/` for the root tree. */
  readonly path: ByteString;
  /** The tree that the file with the blob is in. */
  readonly parentTree: Id | null;
}

export interface ObjectFinder {
  /** Searches one snapshot's tree; ends early when every tree asked for was found in it. */
  search(
    tree: Id,
    found: (object: FoundObject) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

export function createObjectFinder(
  source: TreeSource,
  query: ObjectQuery,
  unreadable: UnreadableTree,
): ObjectFinder {
  const blobOf = prefixMatcher(query.blobs);
  const treeOf = prefixMatcher(query.trees);
  const barren = rememberBarrenTrees();

  return {
    async search(root, found, signal) {
      if (barren.has(root)) return;
      barren.reset();
      barren.enter(root);
      const treesFound = new Set<string>();

      /** Whether nothing is left to look for in this snapshot. */
      async function reportTree(path: ByteString, id: Id, prefix: string): Promise<boolean> {
        barren.hit();
        treesFound.add(prefix);
        await found({ kind: 'tree', id, path, parentTree: null });
        return query.blobs.length === 0 && treesFound.size === query.trees.length;
      }

      const rootPrefix = treeOf(root);
      if (rootPrefix !== null && (await reportTree('/' as ByteString, root, rootPrefix))) return;
      let stopped = false;
      await walkTree(
        source,
        root,
        {
          async enter(path, node, tree) {
            if (node.type === 'dir' && node.subtree !== undefined) {
              const prefix = treeOf(node.subtree);
              if (prefix !== null && (await reportTree(path, node.subtree, prefix))) {
                stopped = true;
                return 'stop';
              }
              if (barren.has(node.subtree)) return 'skip';
              barren.enter(node.subtree);
            } else if (node.type === 'dir') barren.enter('');
            if (node.type === 'file' && query.blobs.length > 0) {
              for (const id of node.content ?? []) {
                if (blobOf(id) === null) continue;
                barren.hit();
                await found({ kind: 'blob', id, path, parentTree: tree });
              }
            }
            return undefined;
          },
          leave: () => barren.leave(),
          unreadable(_path, tree, error) {
            barren.abandon();
            unreadable(tree, error);
          },
        },
        { signal },
      );
      if (!stopped) barren.leave();
    },
  };
}

/** Tells which of the prefixes an ID begins with; null for none. */
export function prefixMatcher(prefixes: readonly string[]): (id: string) => string | null {
  const known = new Set(prefixes.map((prefix) => prefix.toLowerCase()));
  const lengths = [...new Set([...known].map((prefix) => prefix.length))];
  return (id) => {
    for (const length of lengths) {
      const beginning = id.slice(0, length);
      if (known.has(beginning)) return beginning;
    }
    return null;
  };
}
