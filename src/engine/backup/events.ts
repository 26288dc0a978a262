import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';

/** What a backup tells while it runs. */
export interface BackupEvents {
  /** An item could not be read, vanished, or changed while it was read. The snapshot is incomplete. */
  problem(path: ByteString, error: unknown): void;
  /** Something worth saying that does not make the snapshot incomplete. */
  warning?(message: string): void;
  /** An entry is done. `bytes` is what was newly stored for it. */
  item?(path: ByteString, node: TreeNode, status: 'new' | 'changed' | 'unchanged', storedBytes: number): void;
  /** Called often; cheap to ignore. */
  progress?(state: BackupProgress): void;
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
