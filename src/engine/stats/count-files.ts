import { createHash } from 'node:crypto';
import type { ByteString } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { sealOverheadBytes } from '../../repository/crypto.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { type TreeSource, type VisitAnswer, walkTree } from '../walk/walk-tree.ts';

/** Counting what snapshots hold, in the three ways that walk them (restic cmd/restic/cmd_stats.go). */
export interface FileCounts {
  files: number;
  blobs: number;
  bytes: number;
}

export interface FileCounter {
  readonly counts: Readonly<FileCounts>;
  /** Adds one snapshot. */
  add(tree: Id, signal: AbortSignal): Promise<void>;
}

/** Trees whose counts are remembered; beyond that they are counted again, which only costs time. */
const treesRememberedMax = 500_000;

interface FolderCounts {
  files: number;
  bytes: number;
  /** Files with several names below, which count once in a snapshot: such a folder is not remembered. */
  linked: boolean;
}

/** Sizes of all files as a restore would write them; the names of one file count once in each snapshot. */
export function restoreSizeCounter(source: TreeSource): FileCounter {
  const counts: FileCounts = { files: 0, blobs: 0, bytes: 0 };
  const remembered = new Map<Id, FolderCounts>();

  async function countTree(root: Id, signal: AbortSignal): Promise<FolderCounts> {
    const seen = new Set<string>();
    const open: FolderCounts[] = [{ files: 0, bytes: 0, linked: false }];
    const addTo = (folder: FolderCounts, inner: FolderCounts): void => {
      folder.files += inner.files;
      folder.bytes += inner.bytes;
      folder.linked ||= inner.linked;
    };
    const enter = (_path: ByteString, node: TreeNode): VisitAnswer => {
      const folder = open.at(-1)!;
      folder.files++;
      if (node.type === 'dir') {
        folder.bytes += Number(node.size ?? 0);
        const known = node.subtree && remembered.get(node.subtree);
        if (known) {
          addTo(folder, known);
          return 'skip';
        }
        open.push({ files: 0, bytes: 0, linked: false });
      } else if (Number(node.links ?? 0) === 1) folder.bytes += Number(node.size ?? 0);
      else {
        const key = `${node.device_id ?? 0}:${node.inode ?? 0}`;
        if (node.inode) folder.linked = true;
        if (!node.inode || !seen.has(key)) folder.bytes += Number(node.size ?? 0);
        seen.add(key);
      }
      return undefined;
    };
    const leave = (_path: ByteString, node: TreeNode): void => {
      const inner = open.pop()!;
      addTo(open.at(-1)!, inner);
      if (!inner.linked && node.subtree && remembered.size < treesRememberedMax)
        remembered.set(node.subtree, inner);
    };
    await walkTree(source, root, { enter, leave }, { signal });
    return open[0]!;
  }

  return {
    counts,
    async add(tree, signal) {
      const known = remembered.get(tree) ?? (await countTree(tree, signal));
      if (!known.linked) remembered.set(tree, known);
      counts.files += known.files;
      counts.bytes += known.bytes;
    },
  };
}

/** A file's content by its blobs: the same text for the same content. */
function contentKey({ content }: TreeNode): string {
  if (content === null || content.length === 0) return '';
  return content.length === 1 ? content[0]! : createHash('sha256').update(content.join('')).digest('base64');
}

/** Walks what was not walked yet and calls back for each content seen for the first time. */
function uniqueContents(
  source: TreeSource,
  found: (path: ByteString, node: TreeNode, tree: Id) => void,
): (tree: Id, signal: AbortSignal) => Promise<void> {
  const contents = new Set<string>();
  /** What lies below these was seen. */
  const trees = new Set<Id>();
  return async (root, signal) => {
    if (trees.has(root)) return;
    const enter = (path: ByteString, node: TreeNode, tree: Id): VisitAnswer => {
      const key = contentKey(node);
      if (!contents.has(key)) {
        contents.add(key);
        found(path, node, tree);
      }
      return node.subtree && trees.has(node.subtree) ? 'skip' : undefined;
    };
    const remember = (tree: Id | undefined): void => {
      if (tree !== undefined && trees.size < treesRememberedMax) trees.add(tree);
    };
    await walkTree(source, root, { enter, leave: (_path, node) => remember(node.subtree) }, { signal });
    remember(root);
  };
}

/** Sizes of files that differ in content. */
export function uniqueFilesCounter(source: TreeSource): FileCounter {
  const counts: FileCounts = { files: 0, blobs: 0, bytes: 0 };
  const add = uniqueContents(source, (_path, node) => {
    counts.files++;
    counts.bytes += Number(node.size ?? 0);
  });
  return { counts, add };
}

/** Sizes of the blobs of each path, each blob once for a path. */
export function blobsPerFileCounter(source: TreeSource, index: BlobIndex): FileCounter {
  const counts: FileCounts = { files: 0, blobs: 0, bytes: 0 };
  const blobsByPath = new Map<ByteString, Set<Id>>();
  const add = uniqueContents(source, (path, node, tree) => {
    for (const id of node.content ?? []) {
      let blobs = blobsByPath.get(path);
      if (!blobs) {
        blobs = new Set();
        blobsByPath.set(path, blobs);
        counts.files++;
      }
      if (blobs.has(id)) continue;
      const blob = index.find('data', id);
      if (!blob)
        throw new LifeboatError('repository-damaged', `data blob ${id} of tree ${tree} is not in the index`);
      blobs.add(id);
      counts.blobs++;
      counts.bytes += blob.uncompressedLength || blob.length - sealOverheadBytes;
    }
  });
  return { counts, add };
}
