import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';

/** What a backup tells while it runs. */
export interface BackupEvents {
  /** An item could not be read, vanished, or changed while it was read. The snapshot is incomplete. */
  problem(path: ByteString, error: unknown): void;
  /** Something worth saying that does not make the snapshot incomplete. */
  warning?(message: string): void;
  /** A file or folder is done. Without this nothing is measured for it. */
  item?(path: ByteString, node: TreeNode, status: ItemStatus, costs: ItemCosts): void;
  /** Something was left out as asked. */
  excluded?(path: ByteString): void;
  /** A source said how much there is to do. */
  expected?(files: number, bytes: number): void;
  /** Called often; cheap to ignore. */
  progress?(state: BackupProgress): void;
}

export type ItemStatus = 'new' | 'changed' | 'unchanged';

export interface ItemCosts {
  /** From the first look to the end. */
  readonly durationMs: number;
  /** Bytes of file content that were new, and as stored. */
  readonly newBytes: number;
  readonly storedBytes: number;
  /** Bytes of a folder's tree where it was new, and as stored. */
  readonly treeBytes: number;
  readonly treeStoredBytes: number;
}

export interface BackupProgress {
  readonly files: number;
  readonly bytes: number;
  readonly problems: number;
  /** Paths being read. */
  readonly current: readonly ByteString[];
}

/** Counters in restic's terms. */
export interface BackupCounts {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  dirsNew: number;
  dirsChanged: number;
  dirsUnmodified: number;
  bytes: number;
  problems: number;
}
