import type { ByteString } from '../../core/bytestring.ts';
import type { Id } from '../../model/id.ts';

/** What to do with what is in the target already (restic internal/restorer/restorer.go, OverwriteBehavior). */
export type OverwriteMode = 'always' | 'if-changed' | 'if-newer' | 'never';

export const overwriteModes = ['always', 'if-changed', 'if-newer', 'never'] as const;

/** Which entries to restore. Paths are those in the tree, from `/`. */
export type RestoreSelection = (
  location: ByteString,
  isFolder: boolean,
) => { readonly selected: boolean; readonly childMayBeSelected: boolean };

export type RestoreAction = 'restored' | 'updated' | 'unchanged' | 'deleted';

export interface RestoreEvents {
  /** What could not be restored; the rest goes on. */
  problem(location: ByteString, error: unknown): void;
  /** Something happened that costs nothing but should be known. */
  warning?(message: string): void;
  /** An entry is done. `size` is null for what is no file. */
  item?(action: RestoreAction, location: ByteString, size: number | null): void;
}

/** Counts so far; totals grow while trees are read ahead of the writing. */
export interface RestoreCounts {
  /** Files, folders and others. */
  filesTotal: number;
  filesRestored: number;
  filesSkipped: number;
  filesDeleted: number;
  bytesTotal: number;
  bytesRestored: number;
  bytesSkipped: number;
  problems: number;
}

export interface RestoreRequest {
  /** Root of what is restored. */
  readonly tree: Id;
  /** Absolute folder to restore into; it is made where it is missing. */
  readonly target: ByteString;
  readonly selection: RestoreSelection;
  readonly overwrite: OverwriteMode;
  /** Remove what is in restored folders and not in the snapshot, as far as it is selected. */
  readonly deleteExtra: boolean;
  readonly dryRun: boolean;
  readonly sparse: boolean;
  /** The file system of the target is synced afterwards: begin to write to its disk meanwhile. */
  readonly writeBack?: boolean;
  readonly owner: 'numeric' | 'names';
  readonly selectXattr?: (name: string) => boolean;
  readonly workers?: number;
  /** Nothing is written before this resolves, though reading begins: for a lock that was taken early. */
  readonly mayWrite?: Promise<void>;
  readonly signal: AbortSignal;
  readonly events: RestoreEvents;
}

/** Everything, as without --include and --exclude. */
export const selectAll: RestoreSelection = () => ({ selected: true, childMayBeSelected: true });
