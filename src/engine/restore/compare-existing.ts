import { toPath } from '../../core/bytestring.ts';
import type { BlobTable } from '../../repository/index/table.ts';
import type { WorkerPool } from '../../repository/workers/pool.ts';
import type { CompareItem } from '../../repository/workers/protocol.ts';
import type { PlannedFile } from './window.ts';

/** A file on disk and the blobs it should hold. */
export type ComparedFile = Pick<PlannedFile, 'path' | 'blobs'>;

/** What one job reads at most before it ends, so that workers share large files. */
const batchBytes = 16 * 1024 * 1024;
const batchItems = 128;

interface Piece {
  readonly file: number;
  readonly firstBlob: number;
}

/**
 * Compares files with the blobs they should hold, on all workers.
 *
 * @param compared told for each file, when all of it was compared, with one byte a blob (1: the file holds
 *   it), or null and why it could not be read.
 */
export async function compareFiles<T extends ComparedFile>(
  files: readonly T[],
  table: BlobTable,
  sizeOf: (entry: number) => number,
  pool: WorkerPool,
  compared: (file: T, matches: Uint8Array | null, problem: Error | null) => void,
): Promise<void> {
  let items: CompareItem[] = [];
  let pieces: Piece[] = [];
  let bytes = 0;
  const running = new Set<Promise<void>>();
  const matches = new Map<number, Uint8Array>();
  const blobsLeft = new Map<number, number>();
  const failed = new Map<number, Error>();
  let failure: unknown = null;

  function settle(file: number, blobs: number): void {
    const left = blobsLeft.get(file)! - blobs;
    blobsLeft.set(file, left);
    if (left > 0) return;
    const problem = failed.get(file) ?? null;
    compared(files[file]!, problem ? null : matches.get(file)!, problem);
    for (const map of [matches, blobsLeft, failed]) map.delete(file);
  }

  async function send(): Promise<void> {
    const sentPieces = pieces;
    const sentItems = items;
    items = [];
    pieces = [];
    bytes = 0;
    const outcomes = await pool.run('compareFiles', { items: sentItems });
    for (const [n, { matches: found, problem }] of outcomes.entries()) {
      const { file, firstBlob } = sentPieces[n]!;
      if (found) matches.get(file)!.set(found, firstBlob);
      else failed.set(file, Object.assign(new Error(problem!.message), { code: problem!.code }));
      settle(file, sentItems[n]!.lengths.length);
    }
  }

  async function sendWhenRoom(): Promise<void> {
    while (running.size >= 3 * pool.size) await Promise.race(running);
    if (failure) throw failure;
    const work: Promise<void> = send()
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => running.delete(work));
    running.add(work);
  }

  for (let file = 0; file < files.length; file++) {
    const { path, blobs } = files[file]!;
    if (blobs.length === 0) {
      compared(files[file]!, new Uint8Array(0), null);
      continue;
    }
    matches.set(file, new Uint8Array(blobs.length));
    blobsLeft.set(file, blobs.length);
    let offset = 0;
    for (let first = 0; first < blobs.length; ) {
      const start = offset;
      let next = first;
      while (next < blobs.length && (next === first || bytes < batchBytes)) {
        const size = sizeOf(blobs[next++]!);
        offset += size;
        bytes += size;
      }
      const ids = new Uint8Array((next - first) * 32);
      const lengths = new Uint32Array(next - first);
      for (let n = first; n < next; n++) {
        table.copyId(blobs[n]!, ids.subarray((n - first) * 32, (n - first) * 32 + 32));
        lengths[n - first] = sizeOf(blobs[n]!);
      }
      items.push({ path: toPath(path), offset: start, ids, lengths });
      pieces.push({ file, firstBlob: first });
      first = next;
      if (bytes >= batchBytes || items.length >= batchItems) await sendWhenRoom();
    }
  }
  if (items.length > 0) await sendWhenRoom();
  while (running.size > 0) await Promise.all(running);
  if (failure) throw failure;
}
