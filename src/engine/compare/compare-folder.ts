import process from 'node:process';
import { type ByteString, joinPath } from '../../core/bytestring.ts';
import { errnoOf, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { nodeOfStat } from '../../sources/files/metadata.ts';
import { namesInFolder } from '../../sources/files/restore-target.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { compareFiles } from '../restore/compare-existing.ts';
import { blobsOfFile, plainBytes } from '../restore/file-content.ts';
import { walkTree } from '../walk/walk-tree.ts';
import { nodeDifferences } from './node-differences.ts';

/**
 * Compares a tree with a folder, every byte and all metadata: with a folder that was restored from it, where
 * any difference is a failure, or with the source it was made of, which may have changed since.
 */
export interface ComparisonRequest {
  readonly tree: Id;
  /** Folder that holds what the tree's root holds: `/` for the source. */
  readonly folder: ByteString;
  /**
   * The folder is the source: what changed after the backup is listed instead of compared. Only what lies at
   * or below these paths counts.
   */
  readonly sourcePaths?: readonly ByteString[];
  /** Paths that the backup itself reported as missing or incomplete. */
  readonly known?: ReadonlySet<ByteString>;
  readonly signal: AbortSignal;
  readonly progress?: (files: number, bytes: number) => void;
}

export interface Difference {
  readonly path: ByteString;
  readonly what: string;
}

export interface Comparison {
  readonly entries: number;
  readonly files: number;
  /** Bytes of content that were read and are those of the snapshot. */
  readonly bytes: number;
  readonly differences: readonly Difference[];
  /** Of the source: what changed or went away after it was backed up. */
  readonly changedSince: readonly ByteString[];
}

interface FileToCompare {
  readonly path: ByteString;
  readonly node: TreeNode;
  readonly blobs: Uint32Array;
}

interface Frame {
  readonly path: ByteString;
  /** Compare the names in it when all of the snapshot's are known. */
  readonly complete: boolean;
  readonly names: Set<ByteString>;
}

const batchFiles = 4096;
const batchBlobs = 64 * 1024;

function isAt(time: string, seconds: number, nanoseconds: number): boolean {
  const instant = parseTime(time);
  return instant.seconds === seconds && instant.nanoseconds === nanoseconds;
}

/** Whether an entry of the source is as the backup found it: the kernel moves ctime with every change. */
function isAsBackedUp(node: TreeNode, stat: FileStat): boolean {
  return (
    isAt(node.ctime, stat.ctimeSec, stat.ctimeNsec) &&
    isAt(node.mtime, stat.mtimeSec, stat.mtimeNsec) &&
    typeOfStatMode(stat.mode) === node.type &&
    (node.type !== 'file' || BigInt(node.size ?? 0) === BigInt(stat.size))
  );
}

export async function compareWithFolder(
  repository: Repository,
  index: BlobIndex,
  request: ComparisonRequest,
): Promise<Comparison> {
  const { sourcePaths, known, signal } = request;
  const { table } = index;
  const pool = openPool(repository);
  const sizeOf = (entry: number): number => plainBytes(table.locationOf(entry));
  const metadata = { owner: process.geteuid?.() === 0 };
  const differences: Difference[] = [];
  const changedSince: ByteString[] = [];
  /** Inodes here of files that have several links in the snapshot, by their inodes there. */
  const inodes = new Map<string, string>();
  const counts = { entries: 0, files: 0, bytes: 0 };
  let files: FileToCompare[] = [];
  let blobs = 0;
  const stack: Frame[] = [];

  const differ = (path: ByteString, what: string): void => void differences.push({ path, what });

  const concerns = (path: ByteString): boolean =>
    !sourcePaths || sourcePaths.some((root) => path === root || root === '/' || path.startsWith(`${root}/`));

  /** Null where nothing is there. */
  function look(path: ByteString): FileStat | null {
    try {
      return statEntry(path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
      return null;
    }
  }

  function compareLinks(path: ByteString, node: TreeNode, stat: FileStat): void {
    if (node.type !== 'file' || Number(node.links ?? 0) < 2) return;
    const there = `${node.device_id ?? 0}:${node.inode ?? 0}`;
    const here = `${stat.dev}:${stat.ino}`;
    const before = inodes.get(there);
    if (before === undefined) inodes.set(there, here);
    else if (before !== here)
      differ(path, 'is no longer one file with the other names it has in the snapshot');
  }

  /** Whether the entry is there, and as it should be as far as its metadata says. */
  function compareEntry(path: ByteString, node: TreeNode): boolean {
    const stat = look(path);
    if (sourcePaths && (stat === null || !isAsBackedUp(node, stat))) {
      changedSince.push(path);
      return false;
    }
    if (stat === null) {
      differ(path, 'is missing');
      return false;
    }
    const found = nodeOfStat(path, node.name, stat);
    const here = nodeDifferences(node, found, metadata);
    for (const what of here) differ(path, what);
    compareLinks(path, node, stat);
    return node.type === found.type;
  }

  function compareNames({ path, names, complete }: Frame): void {
    if (!complete) return;
    for (const name of namesInFolder(path) ?? []) {
      const inner = joinPath(path, name);
      if (names.has(name) || known?.has(inner)) continue;
      const stat = look(inner);
      if (stat && typeOfStatMode(stat.mode) !== 'socket') differ(inner, 'is not in the snapshot');
    }
  }

  async function compareContents(): Promise<void> {
    const batch = files;
    files = [];
    blobs = 0;
    await compareFiles(batch, table, sizeOf, pool, ({ path, node }, matches, problem) => {
      const wrong = matches?.indexOf(0) ?? -1;
      if (problem === null && wrong < 0) {
        counts.files++;
        counts.bytes += Number(node.size ?? 0);
        request.progress?.(counts.files, counts.bytes);
        return;
      }
      const stat = sourcePaths ? look(path) : null;
      if (sourcePaths && (stat === null || !isAsBackedUp(node, stat))) changedSince.push(path);
      else if (problem) differ(path, `cannot be read: ${messageOf(problem)}`);
      else
        differ(path, `has other content than the snapshot, in its part ${wrong + 1} of ${matches!.length}`);
    });
  }

  function enter(location: ByteString, node: TreeNode): 'skip' | undefined {
    stack[stack.length - 1]!.names.add(node.name);
    const path = joinPath(request.folder, location.slice(1) as ByteString);
    const compared = concerns(path) && !known?.has(path);
    let same = false;
    if (compared) {
      counts.entries++;
      try {
        same = compareEntry(path, node);
      } catch (error) {
        differ(path, `cannot be looked at: ${messageOf(error)}`);
      }
    }
    if (node.type === 'dir') {
      stack.push({ path, names: new Set(), complete: compared && same });
      return undefined;
    }
    if (same && node.type === 'file') {
      files.push({ path, node, blobs: blobsOfFile(table, index.packCount(), location, node) });
      blobs += node.content?.length ?? 0;
    }
    return undefined;
  }

  const cancel = (): void => pool.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    stack.push({ path: request.folder, names: new Set(), complete: !sourcePaths });
    await walkTree(
      openBlobReader(repository, index),
      request.tree,
      {
        enter(location, node) {
          const answer = enter(location, node);
          if (files.length < batchFiles && blobs < batchBlobs) return answer;
          return compareContents().then(() => answer);
        },
        leave: () => compareNames(stack.pop()!),
      },
      { signal },
    );
    compareNames(stack.pop()!);
    await compareContents();
  } finally {
    signal.removeEventListener('abort', cancel);
    await pool.close();
  }
  return { ...counts, differences, changedSince };
}
