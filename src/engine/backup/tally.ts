import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';
import { sameInstant } from '../../model/time.ts';
import { encodeNode } from '../../model/tree.ts';
import type { BackupCounts, BackupEvents, ItemCosts, ItemStatus } from './events.ts';

/** Counts what a backup finishes, in restic's terms, and tells of it. */
export interface Tally {
  readonly counts: BackupCounts;
  /** Milliseconds for `durationMs` later; 0 where nobody wants to know. */
  now(): number;
  file(path: ByteString, node: TreeNode, previous: TreeNode | undefined, startMs: number, costs: Costs): void;
  /** A file whose content was taken over from the parent snapshot. */
  unchangedFile(path: ByteString, node: TreeNode, bytes: number): void;
  /** @returns what tells of it when its tree is stored. */
  folder(
    path: ByteString,
    node: TreeNode,
    previous: TreeNode | undefined,
    startMs: number,
  ): (treeBytes: number, treeStoredBytes: number) => void;
  problem(path: ByteString, error: unknown): void;
}

type Costs = Pick<ItemCosts, 'newBytes' | 'storedBytes'>;

const nothing: ItemCosts = { durationMs: 0, newBytes: 0, storedBytes: 0, treeBytes: 0, treeStoredBytes: 0 };

/** As restic compares (internal/archiver, itemProgressAction): all that is stored of the entry counts. */
function statusOf(node: TreeNode, previous: TreeNode | undefined): ItemStatus {
  if (!previous) return 'new';
  const { mtime, atime, ctime } = previous;
  const sameTimes =
    sameInstant(mtime, node.mtime) && sameInstant(atime, node.atime) && sameInstant(ctime, node.ctime);
  // The same instant may be spelled in another time zone.
  return sameTimes && encodeNode({ ...node, mtime, atime, ctime }) === encodeNode(previous)
    ? 'unchanged'
    : 'changed';
}

export function createTally(events: BackupEvents): Tally {
  const counts: BackupCounts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    bytes: 0,
    problems: 0,
  };
  const now = (): number => (events.item ? performance.now() : 0);
  const fileCounts = { new: 'filesNew', changed: 'filesChanged', unchanged: 'filesUnmodified' } as const;
  const folderCounts = { new: 'dirsNew', changed: 'dirsChanged', unchanged: 'dirsUnmodified' } as const;

  return {
    counts,
    now,
    file(path, node, previous, startMs, { newBytes, storedBytes }) {
      const status = statusOf(node, previous);
      counts[fileCounts[status]]++;
      counts.bytes += Number(node.size ?? 0);
      events.item?.(path, node, status, { ...nothing, durationMs: now() - startMs, newBytes, storedBytes });
    },
    unchangedFile(path, node, bytes) {
      counts.filesUnmodified++;
      counts.bytes += bytes;
      events.item?.(path, node, 'unchanged', nothing);
    },
    folder(path, node, previous, startMs) {
      const status = statusOf(node, previous);
      counts[folderCounts[status]]++;
      const durationMs = now() - startMs;
      return (treeBytes, treeStoredBytes) =>
        events.item?.(path, node, status, { ...nothing, durationMs, treeBytes, treeStoredBytes });
    },
    problem(path, error) {
      counts.problems++;
      events.problem(path, error);
    },
  };
}
