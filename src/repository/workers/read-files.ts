import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { type Chunker, createChunker } from '../../kernels/rabin.ts';
import { sha256 } from '../../kernels/sha256.ts';
import type { BlobTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import type {
  ChunksOutcome,
  FileItem,
  FileOutcome,
  FileProblem,
  ScanOutcome,
  StoredCounts,
} from './protocol.ts';

/** Reading files and storing what is new in them. */

const chunkBytesMin = 512 * 1024;
const chunkBytesMax = 8 * 1024 * 1024;

/**
 * O_NONBLOCK: a file that was replaced by a fifo since it was listed must not hang the backup.
 * O_NOFOLLOW: nor may a symbolic link lead the backup elsewhere.
 */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface FileReader {
  file(item: FileItem): FileOutcome;
  scan(path: string | Uint8Array, start: number, bytesMax: number): ScanOutcome;
  chunks(path: string | Uint8Array, cuts: Float64Array): ChunksOutcome;
  /** Stores one blob of data given as bytes. */
  data(bytes: Uint8Array): { id: Uint8Array; stored: StoredCounts };
}

interface Counter {
  blobs: number;
  bytes: number;
  packedBytes: number;
}

const problemOf = (error: unknown): FileProblem => ({
  code: errnoOf(error) || 'EIO',
  message: messageOf(error),
});
const nothingStored: StoredCounts = { blobs: 0, bytes: 0, packedBytes: 0 };

export function createFileReader(
  table: BlobTable,
  encoder: BlobEncoder,
  polynomial: bigint,
  control: Int32Array,
  progress: (bytes: number) => void,
): FileReader {
  let chunkerMade: Chunker | undefined;
  const chunker = (): Chunker => (chunkerMade ??= createChunker(polynomial));
  /** Small files never reach the chunker and its memory. */
  const small = Buffer.allocUnsafeSlow(chunkBytesMin + 1);

  function storeChunk(bytes: Uint8Array, content: Uint8Array[], counter: Counter): void {
    const id = sha256(bytes);
    content.push(id);
    const entry = table.claim('data', id);
    if (entry >= 0) {
      counter.packedBytes += encoder.store('data', id, entry, bytes);
      counter.blobs++;
      counter.bytes += bytes.length;
    }
    progress(bytes.length);
  }

  const stopIfCancelled = (): void => {
    if (Atomics.load(control, 0) !== 0) throw new LifeboatError('cancelled', 'the backup was cancelled');
  };

  /** Reads until the buffer is full or the file ends. */
  function readFully(fd: number, target: Uint8Array, position: number | null): number {
    let done = 0;
    while (done < target.length) {
      const n = readSync(fd, target, done, target.length - done, position === null ? null : position + done);
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  /** Content of a file of at most 512 KiB: one chunk. Returns null where it turned out to be larger. */
  function readSmall(fd: number, expected: number): Uint8Array | null {
    // One byte more than expected: a file that ends where it should needs no second read to know it.
    const n = readFully(fd, small.subarray(0, expected + 1), null);
    return n > expected ? null : small.subarray(0, n);
  }

  function streamChunks(fd: number, onChunk: (bytes: Uint8Array) => void): number {
    const { input } = chunker();
    let held = 0;
    let total = 0;
    let ended = false;
    let start = 0;
    while (!ended || held > start) {
      if (!ended && held - start < chunkBytesMax) {
        input.copyWithin(0, start, held);
        held -= start;
        start = 0;
        const n = readFully(fd, input.subarray(held, input.length), null);
        ended = held + n < input.length;
        held += n;
        total += n;
        if (held === 0) break;
      }
      stopIfCancelled();
      const end = chunker().nextCut(start, held);
      onChunk(input.subarray(start, end));
      start = end;
    }
    return total;
  }

  function readContent(fd: number, item: FileItem, counter: Counter): { content: Uint8Array; size: number } {
    const ids: Uint8Array[] = [];
    let size = 0;
    const whole = item.size <= chunkBytesMin ? readSmall(fd, item.size) : null;
    if (whole) {
      size = whole.length;
      if (size > 0) storeChunk(whole, ids, counter);
    } else {
      // A file that grew since it was listed is read from its start again, as a large one.
      if (item.size <= chunkBytesMin) return readGrown(item, counter);
      size = streamChunks(fd, (bytes) => storeChunk(bytes, ids, counter));
    }
    return { content: Buffer.concat(ids), size };
  }

  function readGrown(item: FileItem, counter: Counter): { content: Uint8Array; size: number } {
    const fd = openSync(asPath(item.path), openFlags);
    try {
      const ids: Uint8Array[] = [];
      const size = streamChunks(fd, (bytes) => storeChunk(bytes, ids, counter));
      return { content: Buffer.concat(ids), size };
    } finally {
      closeSync(fd);
    }
  }

  return {
    file(item) {
      const counter: Counter = { blobs: 0, bytes: 0, packedBytes: 0 };
      let fd: number;
      try {
        fd = openSync(asPath(item.path), openFlags);
      } catch (error) {
        return { content: null, size: 0, changed: false, stored: nothingStored, problem: problemOf(error) };
      }
      try {
        const { content, size } = readContent(fd, item, counter);
        const stat = fstatSync(fd);
        if (!stat.isFile()) throw Object.assign(new Error('is no regular file any more'), { code: 'ESTALE' });
        const changed =
          size !== item.size ||
          stat.size !== item.size ||
          stat.mtimeMs !== item.mtimeMs ||
          stat.ctimeMs !== item.ctimeMs;
        return { content, size, changed, stored: counter, problem: null };
      } catch (error) {
        // Only the system's word on this one file makes it a problem of the file; all else ends the run.
        if (!isSystemError(error)) throw error;
        return { content: null, size: 0, changed: false, stored: counter, problem: problemOf(error) };
      } finally {
        closeSync(fd);
      }
    },

    scan(path, start, bytesMax) {
      const cuts: number[] = [start];
      try {
        const fd = openSync(asPath(path), openFlags);
        try {
          const { input } = chunker();
          let position = start;
          let ended = false;
          while (!ended && position - start < bytesMax) {
            stopIfCancelled();
            const held = readFully(fd, input, position);
            const last = held < input.length;
            let at = 0;
            while (at < held && (last || held - at >= chunkBytesMax)) {
              at = chunker().nextCut(at, held);
              cuts.push(position + at);
            }
            position += at;
            ended = last;
          }
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
      const counter: Counter = { blobs: 0, bytes: 0, packedBytes: 0 };
      const ids: Uint8Array[] = [];
      try {
        const fd = openSync(asPath(path), openFlags);
        try {
          for (let n = 0; n + 1 < cuts.length; n++) {
            stopIfCancelled();
            const length = cuts[n + 1]! - cuts[n]!;
            const bytes = chunker().input.subarray(0, length);
            if (readFully(fd, bytes, cuts[n]!) !== length)
              throw Object.assign(new Error('became shorter while it was read'), {
                code: 'ESTALE',
                errno: -116,
              });
            storeChunk(bytes, ids, counter);
          }
        } finally {
          closeSync(fd);
        }
        return { content: Buffer.concat(ids), stored: counter, problem: null };
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return { content: null, stored: counter, problem: problemOf(error) };
      }
    },

    data(bytes) {
      const counter: Counter = { blobs: 0, bytes: 0, packedBytes: 0 };
      const ids: Uint8Array[] = [];
      storeChunk(bytes, ids, counter);
      return { id: ids[0]!, stored: counter };
    },
  };
}

/** System errors carry an errno number; our own errors and defects do not. */
function isSystemError(error: unknown): boolean {
  return errnoOf(error).startsWith('E') && !errnoOf(error).startsWith('ERR_');
}

function asPath(path: string | Uint8Array): string | Buffer {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}
