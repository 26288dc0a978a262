import { type ByteString, joinPath } from '../../core/bytestring.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { statEntry } from '../../sources/files/stat.ts';
import { walkTree } from '../walk/walk-tree.ts';
import { compareFiles } from './compare-existing.ts';
import { blobsOfFile, plainBytes } from './file-content.ts';
import type { RestoreRequest } from './request.ts';

export interface VerifyReport {
  /** Files whose whole content was read again and is that of the snapshot. */
  readonly filesVerified: number;
  readonly problems: number;
  readonly durationMs: number;
}

interface FileToVerify {
  readonly path: ByteString;
  readonly location: ByteString;
  readonly blobs: Uint32Array;
  readonly size: number;
}

/** Files compared before the walk goes on. */
const batchFiles = 8192;
const batchBlobs = 128 * 1024;

/**
 * Reads restored files again and compares them with the snapshot.
 *
 * @param written numbers of the files to verify, as `RestoreReport` has them.
 * @param progress told of the files done so far.
 */
export async function verifyRestored(
  repository: Repository,
  index: BlobIndex,
  request: RestoreRequest,
  written: { has(number: number): boolean },
  progress?: (files: number) => void,
): Promise<VerifyReport> {
  const startedMs = performance.now();
  const { table } = index;
  const { events, selection, target, signal } = request;
  const pool = openPool(repository, request.workers === undefined ? {} : { workers: request.workers });
  const sizeOf = (entry: number): number => plainBytes(table.locationOf(entry));
  let filesVerified = 0;
  let problems = 0;
  let nextNumber = 0;
  let files: FileToVerify[] = [];
  let blobs = 0;

  function problem(location: ByteString, error: unknown): void {
    problems++;
    events.problem(location, error);
  }

  function judge(file: FileToVerify, matches: Uint8Array | null, error: Error | null): void {
    const wrong = matches?.indexOf(0) ?? -1;
    if (error) problem(file.location, error);
    else if (wrong >= 0) {
      const offset = file.blobs.subarray(0, wrong).reduce((sum, entry) => sum + sizeOf(entry), 0);
      problem(file.location, new Error(`the restored content differs, starting at offset ${offset}`));
    } else {
      filesVerified++;
      progress?.(filesVerified);
    }
  }

  async function compareBatch(): Promise<void> {
    const batch = files;
    files = [];
    blobs = 0;
    const rightSize = batch.filter(({ path, location, size }) => {
      try {
        const found = Number(statEntry(path).size);
        if (found === size) return true;
        problem(location, new Error(`the restored file has ${found} bytes instead of ${size}`));
      } catch (error) {
        problem(location, error);
      }
      return false;
    });
    await compareFiles(rightSize, table, sizeOf, pool, judge);
  }

  const cancel = (): void => pool.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await walkTree(
      openBlobReader(repository, index),
      request.tree,
      {
        enter(location, node) {
          const isFolder = node.type === 'dir';
          const { selected, childMayBeSelected } = selection(location, isFolder);
          if (isFolder) return childMayBeSelected ? undefined : 'skip';
          if (!selected || node.type !== 'file' || !written.has(nextNumber++)) return undefined;
          files.push({
            path: joinPath(target, location.slice(1) as ByteString),
            location,
            blobs: blobsOfFile(table, index.packCount(), location, node),
            size: Number(node.size ?? 0),
          });
          blobs += files[files.length - 1]!.blobs.length;
          if (files.length < batchFiles && blobs < batchBlobs) return undefined;
          return compareBatch().then(() => undefined);
        },
      },
      { signal },
    );
    await compareBatch();
  } finally {
    signal.removeEventListener('abort', cancel);
    await pool.close();
  }
  return { filesVerified, problems, durationMs: performance.now() - startedMs };
}
