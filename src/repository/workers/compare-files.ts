import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { sha256 } from '../../kernels/sha256.ts';
import type { CompareItem, CompareOutcome } from './protocol.ts';

/** A FIFO that took a file's place must not make a worker wait for a writer. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Small blobs that lie together are read at once; much more would leave the processor's cache before it is hashed. */
const readBytes = 256 * 1024;

const asPath = (path: string | Uint8Array): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);

/** Hashes ranges of files against the IDs of the blobs that belong there. */
export function createFileComparer(control: Int32Array): (item: CompareItem) => CompareOutcome {
  let buffer = Buffer.alloc(0);
  const digest = Buffer.alloc(32);

  /** Reads into the buffer; fewer bytes where the file ends before. */
  function read(fd: number, length: number, position: number): number {
    if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(Math.max(2 * length, readBytes));
    let done = 0;
    while (done < length) {
      const bytes = readSync(fd, buffer, done, length - done, position + done);
      if (bytes === 0) break;
      done += bytes;
    }
    return done;
  }

  function compare(fd: number, { offset, ids, lengths }: CompareItem): Uint8Array {
    const expected = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
    const matches = new Uint8Array(lengths.length);
    let position = offset;
    for (let first = 0; first < lengths.length; ) {
      if (Atomics.load(control, 0) !== 0)
        throw new LifeboatError('cancelled', 'the comparison was cancelled');
      let span = lengths[first]!;
      let next = first + 1;
      while (next < lengths.length && span + lengths[next]! <= readBytes) span += lengths[next++]!;
      const there = read(fd, span, position);
      for (let at = 0; first < next; first++) {
        const end = at + lengths[first]!;
        if (end > there) return matches;
        sha256(buffer.subarray(at, end), digest);
        if (digest.compare(expected, first * 32, first * 32 + 32) === 0) matches[first] = 1;
        at = end;
      }
      position += span;
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
