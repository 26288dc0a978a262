import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';
import type { Repository } from '../../repository/repository.ts';
import type { FileStat } from '../../sources/files/stat.ts';

/**
 * The plan of a restore comes in windows: a bounded number of entries in the order of the walk, so that a
 * snapshot of millions of files needs no more memory than one of thousands.
 */

export interface PlannedFolder {
  readonly path: ByteString;
  readonly location: ByteString;
  /** Null for the target itself, whose metadata is the user's. */
  readonly node: TreeNode | null;
  readonly parent: PlannedFolder | null;
  /** Could not be made, so nothing is written below it. */
  failed: boolean;
  /** New files in it get this process's owner and no extended attributes; undefined: not looked yet. */
  plain?: boolean;
}

export interface PlannedEntry {
  readonly path: ByteString;
  readonly location: ByteString;
  readonly node: TreeNode;
  readonly folder: PlannedFolder;
}

export interface PlannedFile extends PlannedEntry {
  /** Number of the file in the whole restore. */
  readonly number: number;
  readonly size: number;
  /** Entries of its blobs in the index's table, in order. */
  readonly blobs: Uint32Array;
  /** What is at the path now; null where there is nothing. */
  existing: FileStat | null;
  /** Compare the content of what is there before writing. */
  readonly compare: boolean;
  /** Size and time say that it is the same already: only metadata is set. */
  unchanged: boolean;
  /** 1 for each blob that the existing file holds; null where all have to be written. */
  matches: Uint8Array | null;
  /** A worker sets its metadata; otherwise this thread does. */
  metadataSet: boolean;
  /** Jobs that still have parts of it. */
  jobsLeft: number;
  failed: boolean;
}

export interface PlannedLink extends PlannedEntry {
  readonly number: number;
  /** The file to link to, restored earlier. */
  readonly first: ByteString;
}

export interface RestoreWindow {
  /** To make, outermost first. */
  readonly folders: PlannedFolder[];
  readonly files: PlannedFile[];
  /** Symlinks, devices and FIFOs. */
  readonly specials: PlannedEntry[];
  readonly links: PlannedLink[];
  /** To remove, because the snapshot has nothing there. */
  readonly removals: ByteString[];
  /** Folders with all below them planned, the deepest first; their metadata comes last. */
  readonly closed: PlannedFolder[];
  /** Whether further windows follow. */
  readonly more: boolean;
}

export function emptyWindow(): Omit<RestoreWindow, 'more'> {
  return { folders: [], files: [], specials: [], links: [], removals: [], closed: [] };
}

/** What fits into one window. */
export interface WindowLimits {
  readonly entries: number;
  readonly blobs: number;
}

/** Of a distant storage packs are fetched as a whole, so that much of each should be of use to one window. */
export function windowLimitsFor({ localPath }: Pick<Repository['storage'], 'localPath'>): WindowLimits {
  return { entries: (localPath('data/x') === null ? 8 : 2) * 1024, blobs: 32 * 1024 };
}
