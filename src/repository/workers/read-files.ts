import { closeSync, readSync, type Stats } from 'node:fs';
import { type ByteString, toPath } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { type Chunker, createChunker } from '../../kernels/rabin.ts';
import type { BlobTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import { createIdList, type IdList } from './id-list.ts';
import {
  type ChunksOutcome,
  contentStates,
  type FileBatch,
  type FileBatchOutcome,
  type FileProblem,
  factsPerFile,
  outcomeFactsPerFile,
  type ScanOutcome,
  type StoredCounts,
} from './protocol.ts';
import { isSystemError, openSource, problemOf, readFully, regularFile } from './source-file.ts';
import { createChunkStore, newCounter, type StoredCounter } from './store-chunk.ts';

/** Reading files and storing what is new in them. */

const chunkBytesMin = 512 * 1024;
/** Read at once: what was just read is cut and hashed while the processor's cache still holds it. */
const readBytes = 512 * 1024;
/** Room for the largest chunk and one read. */
const inputBytes = 9 * 1024 * 1024;
/** Data is moved to the front of the input once it would reach beyond this, so that little memory is touched. */
const inputUsedBytes = 4 * 1024 * 1024;

export interface FileReader {
  files(batch: FileBatch): FileBatchOutcome;
  /** @param end the file counts as ended there, however long it has become. */
  scan(path: string | Uint8Array, start: number, bytesMax: number, end?: number): ScanOutcome;
  chunks(path: string | Uint8Array, cuts: Float64Array): ChunksOutcome;
  /** Stores one blob of data given as bytes. */
  data(bytes: Uint8Array): { id: Uint8Array; stored: StoredCounts };
}

/** Files above this size are not read twice, should they change while they are read. */
const rereadBytesMax = 32 * 1024 * 1024;
const newer = contentStates.indexOf('newer');
const torn = contentStates.indexOf('torn');

/** A file of no blocks, as in /proc and /sys, may hold more or less than it says. */
function isUnchanged(stat: Stats, read: number, size: number, mtimeMs: number, ctimeMs: number): boolean {
  return (
    stat.size === size &&
    stat.mtimeMs === mtimeMs &&
    stat.ctimeMs === ctimeMs &&
    (read === size || stat.blocks === 0)
  );
}

function asPath(path: string | Uint8Array): string | Buffer {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

export function createFileReader(
  table: BlobTable,
  encoder: BlobEncoder,
  polynomial: bigint,
  control: Int32Array,
  progress: (bytes: number) => void,
): FileReader {
  let chunkerMade: Chunker | undefined;
  const chunker = (): Chunker => (chunkerMade ??= createChunker(polynomial, inputBytes));
  /** Small files never reach the chunker and its memory. */
  const small = Buffer.allocUnsafeSlow(chunkBytesMin + 1);
  const storeChunk = createChunkStore(table, encoder, progress);

  const stopIfCancelled = (): void => {
    if (Atomics.load(control, 0) !== 0) throw new LifeboatError('cancelled', 'the backup was cancelled');
  };

  /**
   * Cuts a file from its descriptor's position on. `onChunk` gets the bytes of each chunk and its end as an
   * offset from there, and says whether to go on. Returns whether the file's end, or `to`, was reached.
   */
  function cutFile(
    fd: number,
    onChunk: (bytes: Uint8Array, end: number) => boolean,
    from: number,
    to = Number.POSITIVE_INFINITY,
  ): boolean {
    const { input } = chunker();
    let start = 0;
    let held = 0;
    let scanned = 0;
    let ended = false;
    let consumed = 0;
    let position = from;
    for (;;) {
      const cut = held > start ? chunker().nextCut(start, held, ended, scanned) : -1;
      if (cut >= 0) {
        stopIfCancelled();
        consumed += cut - start;
        const goOn = onChunk(input.subarray(start, cut), consumed);
        start = cut;
        scanned = cut;
        if (!goOn) return ended && start === held;
        continue;
      }
      if (ended) return true;
      scanned = held;
      if (start > 0 && held + readBytes > inputUsedBytes) {
        input.copyWithin(0, start, held);
        held -= start;
        scanned = held;
        start = 0;
      }
      const n = readFully(fd, input.subarray(held, held + Math.min(readBytes, to - position)), position);
      position += n;
      ended = n < readBytes;
      held += n;
    }
  }

  function storeWhole(fd: number, ids: IdList, counter: StoredCounter): number {
    regularFile(fd);
    let size = 0;
    cutFile(
      fd,
      (bytes, end) => {
        storeChunk(bytes, ids, counter);
        size = end;
        return true;
      },
      0,
    );
    return size;
  }

  /** Returns the bytes read. */
  function readContent(fd: number, expected: number, ids: IdList, counter: StoredCounter): number {
    if (expected > chunkBytesMin) return storeWhole(fd, ids, counter);
    // One byte more than expected: a file that ends where it should needs no second read to know it.
    const n = readSync(fd, small, 0, expected + 1, 0);
    // A short read is the end of a regular file; a longer one is a file that grew, and is cut like a large one.
    if (n > expected) return storeWhole(fd, ids, counter);
    if (n > 0) storeChunk(small.subarray(0, n), ids, counter);
    return n;
  }

  /**
   * Stores a file's content, a second time where the file turns out to be another than the walker saw: then
   * what is stored belongs to what the open file says of itself. Leaves that in `outcome`.
   */
  function storeContent(
    fd: number,
    facts: Float64Array,
    at: number,
    ids: IdList,
    counter: StoredCounter,
    outcome: Float64Array,
    to: number,
  ): number {
    const blobsBefore = ids.count();
    const expected = facts[at]!;
    const before = expected > rereadBytesMax ? regularFile(fd) : null;
    let size = readContent(fd, before?.size ?? expected, ids, counter);
    let after = regularFile(fd);
    let state = 0;
    if (before) {
      if (!isUnchanged(after, size, before.size, before.mtimeMs, before.ctimeMs)) state = torn;
      else if (!isUnchanged(after, size, expected, facts[at + 1]!, facts[at + 2]!)) state = newer;
    } else if (!isUnchanged(after, size, expected, facts[at + 1]!, facts[at + 2]!)) {
      const now = after;
      if (now.size <= rereadBytesMax) {
        ids.truncate(blobsBefore);
        size = readContent(fd, now.size, ids, counter);
        after = regularFile(fd);
      }
      state = isUnchanged(after, size, now.size, now.mtimeMs, now.ctimeMs) ? newer : torn;
    }
    outcome[to + 4] = state;
    outcome[to + 5] = after.size;
    outcome[to + 6] = after.mtimeMs;
    outcome[to + 7] = after.ctimeMs;
    return size;
  }

  /** Stores one file; leaves its facts in `outcome` at `to`. @throws system errors of this file. */
  function storeFile(
    path: string | Buffer,
    facts: Float64Array,
    at: number,
    ids: IdList,
    counter: StoredCounter,
    outcome: Float64Array,
    to: number,
  ): void {
    const blobsBefore = ids.count();
    const { bytes, packedBytes } = counter;
    const fd = openSource(path);
    try {
      outcome[to + 1] = storeContent(fd, facts, at, ids, counter, outcome, to);
      outcome[to] = ids.count() - blobsBefore;
      outcome[to + 2] = counter.bytes - bytes;
      outcome[to + 3] = counter.packedBytes - packedBytes;
    } catch (error) {
      ids.truncate(blobsBefore);
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  return {
    files({ paths, facts }) {
      const files = facts.length / factsPerFile;
      const outcome = new Float64Array(files * outcomeFactsPerFile);
      const ids = createIdList(files);
      const counter = newCounter();
      const problems: { file: number; problem: FileProblem }[] = [];
      let from = 0;
      for (let file = 0; file < files; file++) {
        const end = paths.indexOf('\0', from);
        const path = toPath(paths.slice(from, end) as ByteString);
        from = end + 1;
        stopIfCancelled();
        try {
          storeFile(path, facts, file * factsPerFile, ids, counter, outcome, file * outcomeFactsPerFile);
        } catch (error) {
          // Only the system's word on this one file makes it a problem of the file; all else ends the run.
          if (!isSystemError(error)) throw error;
          problems.push({ file, problem: problemOf(error) });
        }
      }
      return { ids: ids.bytes(), facts: outcome, problems, stored: counter };
    },

    scan(path, start, bytesMax, end) {
      const cuts: number[] = [start];
      try {
        const fd = openSource(asPath(path));
        try {
          regularFile(fd);
          const onChunk = (_: Uint8Array, bytes: number): boolean => {
            cuts.push(start + bytes);
            return bytes < bytesMax;
          };
          const ended = cutFile(fd, onChunk, start, end);
          return { cuts: Float64Array.from(cuts), ended, problem: null };
        } finally {
          closeSync(fd);
        }
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return { cuts: Float64Array.from(cuts), ended: true, problem: problemOf(error) };
      }
    },

    chunks(path, cuts) {
      const counter = newCounter();
      const ids = createIdList(cuts.length);
      try {
        const fd = openSource(asPath(path));
        try {
          for (let n = 0; n + 1 < cuts.length; n++) {
            stopIfCancelled();
            const length = cuts[n + 1]! - cuts[n]!;
            const bytes = chunker().input.subarray(0, length);
            if (readFully(fd, bytes, cuts[n]!) !== length)
              throw Object.assign(new Error('became shorter while it was read'), { code: 'ESTALE' });
            storeChunk(bytes, ids, counter);
          }
        } finally {
          closeSync(fd);
        }
        return { content: ids.bytes(), stored: counter, problem: null };
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return { content: null, stored: counter, problem: problemOf(error) };
      }
    },

    data(bytes) {
      stopIfCancelled();
      const counter = newCounter();
      const ids = createIdList(1);
      storeChunk(bytes, ids, counter);
      return { id: ids.bytes(), stored: counter };
    },
  };
}
