import type { Id } from './id.ts';
import type { Rfc3339 } from './node.ts';

/** Counters of the run that made a snapshot (restic internal/data/snapshot.go, SnapshotSummary). */
export interface SnapshotSummary {
  backup_start: Rfc3339;
  backup_end: Rfc3339;
  files_new: number;
  files_changed: number;
  files_unmodified: number;
  dirs_new: number;
  dirs_changed: number;
  dirs_unmodified: number;
  data_blobs: number;
  tree_blobs: number;
  data_added: number;
  data_added_packed: number;
  total_files_processed: number;
  total_bytes_processed: number;
}

/** A snapshot file's JSON; field order is restic's. Absent fields are omitted. */
export interface Snapshot {
  time: Rfc3339;
  parent?: Id;
  tree?: Id;
  paths: string[];
  hostname?: string;
  username?: string;
  uid?: number;
  gid?: number;
  excludes?: string[];
  tags?: string[];
  original?: Id;
  program_version?: string;
  summary?: SnapshotSummary;
}

export interface StoredSnapshot extends Snapshot {
  readonly id: Id;
}
