import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { createBlobDecoder } from '../blob-decoder.ts';
import type { Sealer } from '../crypto.ts';
import type { RestoreBlob, RestoreFile, RestoreInput, RestoreOutput, RestoreProblem } from './protocol.ts';
import { eachSealedBlob } from './transfer.ts';

/**
 * Writes file contents from packs. Each blob is decoded once, its hash is checked, and only then it is
 * written to all its places: wrong bytes never reach a file. The main thread has made the folders and
 * removed what stood in the way; O_NOFOLLOW keeps a link that appeared since from redirecting a write.
 */

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
const partFlags = constants.O_WRONLY | constants.O_NOFOLLOW;
const zeros = Buffer.alloc(4096);

/** Open files kept between jobs: a large file gets its parts from many packs. */
const openFilesMax = 64;

const asPath = (path: string | Uint8Array): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** Writes all but blocks of zeros: the file was made with its full length, so these are holes. */
function writeSparse(fd: number, bytes: Uint8Array, position: number): void {
  let from = 0;
  const isZero = (at: number): boolean => {
    const block = bytes.subarray(at, Math.min(at + zeros.length, bytes.length));
    return Buffer.compare(block, zeros.subarray(0, block.length)) === 0;
  };
  for (let at = 0; at < bytes.length; at += zeros.length) {
    if (!isZero(at)) continue;
    if (at > from) writeFully(fd, bytes.subarray(from, at), position + from);
    from = at + zeros.length;
  }
  if (from < bytes.length) writeFully(fd, bytes.subarray(from), position + from);
}

export function createFileRestorer(
  sealer: Sealer,
  control: Int32Array,
  progress: (bytes: number) => void,
): (input: RestoreInput) => RestoreOutput {
  let decoder: ReturnType<typeof createBlobDecoder> | undefined;
  /** Descriptors by file number, least recently used first. */
  const held = new Map<number, number>();

  function closeHeld(): void {
    for (const fd of held.values()) closeSync(fd);
    held.clear();
  }

  function openPart(file: RestoreFile): number {
    const known = held.get(file.number);
    if (known !== undefined) {
      held.delete(file.number);
      held.set(file.number, known);
      return known;
    }
    if (held.size >= openFilesMax) {
      const [oldest, fd] = held.entries().next().value!;
      closeSync(fd);
      held.delete(oldest);
    }
    const fd = openSync(asPath(file.path), partFlags);
    held.set(file.number, fd);
    return fd;
  }

  function createWhole(file: RestoreFile): number {
    const fd = openSync(asPath(file.path), createFlags, 0o600);
    if (file.sparse) ftruncateSync(fd, file.size);
    return fd;
  }

  return (input) => {
    decoder ??= createBlobDecoder(sealer);
    const problems: RestoreProblem[] = [];
    const failed = new Set<number>();
    let bytesWritten = 0;
    /** Whole files with several blobs stay open until the pack is through. */
    const whole = new Map<number, number>();
    const partsLeft = new Map<number, number>();
    for (const { places } of input.blobs)
      for (let n = 0; n < places.length; n += 2)
        partsLeft.set(places[n]!, (partsLeft.get(places[n]!) ?? 0) + 1);

    const fail = (index: number, error: unknown): void => {
      if (failed.has(index)) return;
      failed.add(index);
      const code = errnoOf(error) || 'EIO';
      problems.push({ file: input.files[index]!.number, code, message: messageOf(error) });
    };
    const descriptor = (index: number): number => {
      const file = input.files[index]!;
      if (!file.whole) return openPart(file);
      let fd = whole.get(index);
      if (fd === undefined) {
        fd = createWhole(file);
        whole.set(index, fd);
      }
      return fd;
    };
    const finishPart = (index: number): void => {
      const left = partsLeft.get(index)! - 1;
      partsLeft.set(index, left);
      const fd = whole.get(index);
      if (left > 0 || fd === undefined) return;
      whole.delete(index);
      closeSync(fd);
    };

    function write(blob: RestoreBlob, plaintext: Uint8Array): void {
      for (let n = 0; n < blob.places.length; n += 2) {
        const index = blob.places[n]!;
        try {
          if (!failed.has(index)) {
            const store = input.files[index]!.sparse ? writeSparse : writeFully;
            store(descriptor(index), plaintext, blob.places[n + 1]!);
            bytesWritten += plaintext.length;
            progress(plaintext.length);
          }
        } catch (error) {
          fail(index, error);
        }
        finishPart(index);
      }
    }

    try {
      eachSealedBlob(input.source, input.blobs, (blob, sealed) => {
        if (Atomics.load(control, 0) !== 0) throw new LifeboatError('cancelled', 'the restore was cancelled');
        let plaintext: Uint8Array;
        try {
          if (!sealed)
            throw new LifeboatError(
              'repository-damaged',
              `pack ${input.packName} is too short to hold blob ${blob.id}`,
            );
          plaintext = decoder!.decode(blob, sealed);
        } catch (error) {
          for (let n = 0; n < blob.places.length; n += 2) {
            fail(blob.places[n]!, error);
            finishPart(blob.places[n]!);
          }
          return;
        }
        write(blob, plaintext);
      });
    } catch (error) {
      // The pack itself cannot be read: that is the fate of every file that has parts in it.
      if (error instanceof LifeboatError && error.code === 'cancelled') throw error;
      for (let index = 0; index < input.files.length; index++) if (partsLeft.get(index)) fail(index, error);
    } finally {
      for (const fd of whole.values()) closeSync(fd);
      if (Atomics.load(control, 0) !== 0) closeHeld();
    }
    return { bytesWritten, problems };
  };
}
