import type { ByteString } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { sameInstant } from '../../model/time.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobTable } from '../../repository/index/table.ts';
import type { FileStat } from '../../sources/files/stat.ts';

/** What the parent snapshot says of the files, so that those that did not change need not be read. */
export interface ParentTrees {
  /** Nodes of a tree by name; null where there is none, or it cannot be read. */
  tree(id: Id | null | undefined): Promise<Map<ByteString, TreeNode> | null>;
  /** Whether a file is what it was (restic internal/archiver/archiver.go, fileChanged). */
  isUnchanged(stat: FileStat, node: TreeNode, previous: TreeNode | undefined): previous is FileNode;
  /** Whether the repository still holds all of a content. */
  holds(content: readonly Id[]): boolean;
}

export interface FileNode extends TreeNode {
  content: Id[];
}

export interface ComparisonOptions {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  readonly warning: (message: string) => void;
}

export function createParentTrees(
  reader: BlobReader,
  table: BlobTable,
  options: ComparisonOptions,
): ParentTrees {
  const idBytes = Buffer.alloc(32);
  return {
    async tree(id) {
      if (!id) return null;
      try {
        return new Map((await reader.loadTree(id)).map((node) => [node.name, node]));
      } catch (error) {
        // Without the parent's tree everything below it is read again: slower, and complete.
        options.warning(
          `a tree of the parent snapshot cannot be read, so its files are read anew: ${messageOf(error)}`,
        );
        return null;
      }
    },
    isUnchanged(stat, node, previous): previous is FileNode {
      if (previous?.type !== 'file' || previous.content === null) return false;
      if ((previous.size ?? 0) !== stat.size || !sameInstant(previous.mtime, node.mtime)) return false;
      if (!options.ignoreCtime && !sameInstant(previous.ctime, node.ctime)) return false;
      return options.ignoreInode || (previous.inode ?? 0) === stat.ino;
    },
    holds(content) {
      for (const id of content) {
        idBytes.write(id, 'hex');
        if (table.find('data', idBytes) < 0) return false;
      }
      return true;
    },
  };
}
