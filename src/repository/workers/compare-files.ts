import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { sha256 } from '../../kernels/sha256.ts';
import type { CompareItem, CompareOutcome } from './protocol.ts';

/** A FIFO that took a file's place must not make a worker wait for a writer. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const bufferBytesMin = 1024 * 1024;

const asPath = (path: string | Uint8Array): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);

/** Hashes ranges of files against the IDs of the blobs that belong there. */
export function createFileComparer(control: Int32Array): (item: CompareItem) => CompareOutcome {
  let buffer = Buffer.alloc(0);
  const digest = Buffer.alloc(32);

  /** False where the file ends before. */
  function read(fd: number, length: number, position: number): boolean {
    if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(Math.max(2 * length, bufferBytesMin));
    for (let done = 0; done < length; ) {
      const bytes = readSync(fd, buffer, done, length - done, position + done);
      if (bytes === 0) return false;
      done += bytes;
    }
    return true;
  }

  function compare(fd: number, { offset, ids, lengths }: CompareItem): Uint8Array {
    const expected = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
    const matches = new Uint8Array(lengths.length);
    let position = offset;
    for (let n = 0; n < lengths.length; n++) {
      if (Atomics.load(control, 0) !== 0)
        throw new LifeboatError('cancelled', 'the comparison was cancelled');
      const length = lengths[n]!;
      if (!read(fd, length, position)) break;
      sha256(buffer.subarray(0, length), digest);
      if (digest.compare(expected, n * 32, n * 32 + 32) === 0) matches[n] = 1;
      position += length;
    }
    return matches;
  }

  return (item) => {
    let fd = -1;
    try {
      fd = openSync(asPath(item.path), flags);
      return { matches: compare(fd, item), problem: null };
    } catch (error) {
      if (error instanceof LifeboatError) throw error;
      return { matches: null, problem: { code: errnoOf(error) || 'EIO', message: messageOf(error) } };
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  };
}
