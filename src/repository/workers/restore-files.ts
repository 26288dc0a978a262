import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { idOfBytes } from '../../model/id.ts';
import { createBlobDecoder } from '../blob-decoder.ts';
import { type Sealer, sealOverheadBytes } from '../crypto.ts';
import { bindFileTimes, type SetFileTimes } from './file-times.ts';
import { createGatheredWrites, gatheredBytesMax } from './gathered-writes.ts';
import { type RestoreInput, type RestoreOutput, type RestoreProblem, restoreFlags } from './protocol.ts';
import { type SpanBuffer, sealedBlobs } from './transfer.ts';
import { bindWriteBack, type WriteBack } from './write-back.ts';

/**
 * Writes file contents from packs. Each blob is decoded once, its hash is checked, and only then it is
 * written to all its places: wrong bytes never reach a file. The main thread has made the folders and
 * removed what stood in the way; O_NOFOLLOW and O_EXCL keep what appeared since from redirecting a write.
 */

const newFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const existingFlags =
  constants.O_WRONLY |
  constants.O_CREAT |
  constants.O_TRUNC |
  constants.O_NOFOLLOW |
  // Without a reader, opening a FIFO would wait for ever.
  constants.O_NONBLOCK;
const partFlags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const zeros = Buffer.alloc(4096);

/** Open files kept between jobs: a large file gets its parts from many packs. */
const openFilesMax = 64;

/** What is worth a call to begin writing it to the disk. */
const writeBackBytes = 4 * 1024 * 1024;

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

export interface FileRestorer {
  /** Where there are several parts, their blobs are taken in the order of the files, as far as each part has it. */
  restore(parts: readonly RestoreInput[]): readonly RestoreOutput[];
  /** Closes the files kept open between jobs. */
  close(): void;
}

interface SealedPlace {
  readonly blob: number;
  readonly offset: number;
  readonly length: number;
}

/** One part under way. */
interface Run {
  /** The next blob; undefined: that was all. */
  next: { readonly blob: SealedPlace; readonly sealed: Uint8Array | null } | undefined;
  /** Number of the file that the next blob goes to, and where in it. */
  file: number;
  position: number;
  /** Puts the next blob into its places. */
  step(): void;
  /** Writes to a file by its number; a failure is that file's. */
  write(number: number, bytes: Uint8Array, position: number): unknown;
  /** A place of the file is done, or failed. */
  finish(number: number, failure: unknown): void;
  end(): void;
  readonly output: RestoreOutput;
}

/** Whether the blob of `a` comes first. */
const isBefore = (a: Run, b: Run): boolean =>
  a.file < b.file || (a.file === b.file && a.position <= b.position);

export function createFileRestorer(
  sealer: Sealer,
  control: Int32Array,
  progress: (bytes: number) => void,
): FileRestorer {
  let decoder: ReturnType<typeof createBlobDecoder> | undefined;
  let setTimes: SetFileTimes | null | undefined;
  let writeBack: WriteBack | null | undefined;
  let runs: readonly Run[] = [];
  const spans: SpanBuffer[] = [];
  const gathered = createGatheredWrites((number, bytes, position, owners) => {
    const failure = runs[owners[0]!]!.write(number, bytes, position);
    for (const owner of owners) runs[owner]!.finish(number, failure);
  });
  /** Descriptors by file number, least recently used first. */
  const held = new Map<number, number>();

  function close(): void {
    for (const fd of held.values()) closeSync(fd);
    held.clear();
  }

  function openPart(input: RestoreInput, file: number): number {
    const number = input.numbers[file]!;
    const known = held.get(number);
    if (known !== undefined) {
      held.delete(number);
      held.set(number, known);
      return known;
    }
    if (held.size >= openFilesMax) {
      const [oldest, fd] = held.entries().next().value!;
      closeSync(fd);
      held.delete(oldest);
    }
    const fd = openSync(asPath(input.paths[file]!), partFlags);
    held.set(number, fd);
    return fd;
  }

  function createWhole(input: RestoreInput, file: number): number {
    const flags = input.flags[file]!;
    const fd = openSync(
      asPath(input.paths[file]!),
      flags & restoreFlags.existing ? existingFlags : newFlags,
      0o600,
    );
    if (flags & restoreFlags.sparse) ftruncateSync(fd, input.sizes[file]!);
    return fd;
  }

  /** False where the main thread has to set it, which also knows which failures matter. */
  function setMetadata(input: RestoreInput, file: number, fd: number): boolean {
    if (!setTimes) return false;
    const [permissions, uid, gid] = input.owners.subarray(3 * file);
    try {
      if (input.flags[file]! & restoreFlags.owner) fchownSync(fd, uid!, gid!);
      const done = setTimes(fd, input.times, 4 * file);
      fchmodSync(fd, permissions!);
      return done;
    } catch {
      // Whatever it was, the main thread tries again, step by step, and tells of it.
      return false;
    }
  }

  /** What of the file written to last has not been begun to be brought to the disk. */
  const unwritten = { file: -1, from: 0, to: 0, bytes: 0 };
  function written(file: number, fd: number, from: number, to: number): void {
    if (unwritten.file !== file || unwritten.bytes === 0)
      Object.assign(unwritten, { file, from, to, bytes: 0 });
    unwritten.from = Math.min(unwritten.from, from);
    unwritten.to = Math.max(unwritten.to, to);
    unwritten.bytes += to - from;
    if (unwritten.bytes < writeBackBytes) return;
    writeBack!(fd, unwritten.from, unwritten.to);
    unwritten.bytes = 0;
  }

  function begin(input: RestoreInput, owner: number): Run {
    const { paths, numbers, flags, placesFrom, placeFiles, placeOffsets } = input;
    const problems: RestoreProblem[] = [];
    const withoutMetadata: number[] = [];
    const failed = new Uint8Array(paths.length);
    /** Descriptors of whole files, which stay open until their last place is written; −1: not open. */
    const whole = new Int32Array(paths.length).fill(-1);
    const placesLeft = new Uint32Array(paths.length);
    for (const file of placeFiles) placesLeft[file]!++;
    const fileOf = new Map<number, number>();
    for (let file = 0; file < paths.length; file++) fileOf.set(numbers[file]!, file);

    const fail = (file: number, error: unknown): void => {
      if (failed[file]) return;
      failed[file] = 1;
      const code = error instanceof LifeboatError ? error.code : errnoOf(error) || 'EIO';
      problems.push({ file, code, message: messageOf(error) });
    };
    const descriptor = (file: number): number => {
      if (!(flags[file]! & restoreFlags.whole)) return openPart(input, file);
      if (whole[file]! < 0) whole[file] = createWhole(input, file);
      return whole[file]!;
    };
    const finishPlace = (file: number): void => {
      if (--placesLeft[file]! > 0 || whole[file]! < 0) return;
      const fd = whole[file]!;
      whole[file] = -1;
      try {
        if (flags[file]! & restoreFlags.metadata && !failed[file] && !setMetadata(input, file, fd))
          withoutMetadata.push(file);
        closeSync(fd);
      } catch (error) {
        // A network file system may tell of a full disk only now.
        fail(file, error);
      }
    };

    /** Returns why it failed, or null. */
    function write(file: number, bytes: Uint8Array, position: number): unknown {
      if (failed[file]) return null;
      try {
        const store = flags[file]! & restoreFlags.sparse ? writeSparse : writeFully;
        const fd = descriptor(file);
        store(fd, bytes, position);
        progress(bytes.length);
        if (input.writeBack && writeBack) written(numbers[file]!, fd, position, position + bytes.length);
        return null;
      } catch (error) {
        return error;
      }
    }

    function finish(file: number, failure: unknown): void {
      if (failure !== null) fail(file, failure);
      finishPlace(file);
    }

    /** Puts a blob into all its places; the first one waits for its neighbours where the blob is small. */
    function place(blob: number, sealed: Uint8Array): void {
      const id = input.ids.subarray(blob * 32, blob * 32 + 32);
      const uncompressedLength = input.uncompressedLengths[blob]!;
      const expected = uncompressedLength || sealed.length - sealOverheadBytes;
      let at = placesFrom[blob]!;
      let plaintext: Uint8Array;
      if (expected < 0 || expected > gatheredBytesMax) {
        plaintext = decoder!.decode({ id: idOfBytes(id), uncompressedLength }, sealed);
      } else {
        const room = gathered.room(expected);
        const length = decoder!.decodeInto(id, uncompressedLength, sealed, room);
        plaintext = room.subarray(0, length);
        const file = placeFiles[at]!;
        gathered.add(numbers[file]!, placeOffsets[at]!, length, owner);
        if (placesLeft[file] === 1) gathered.flush();
        at++;
      }
      for (; at < placesFrom[blob + 1]!; at++) {
        const file = placeFiles[at]!;
        finish(file, write(file, plaintext, placeOffsets[at]!));
      }
    }

    const tooShort = (blob: number): LifeboatError =>
      new LifeboatError(
        'repository-damaged',
        `pack ${input.packName} is too short to hold blob ${idOfBytes(input.ids.subarray(blob * 32))}`,
      );

    const wanted: SealedPlace[] = [];
    for (let blob = 0; blob < input.offsets.length; blob++)
      wanted.push({ blob, offset: input.offsets[blob]!, length: input.lengths[blob]! });
    spans[owner] ??= { bytes: Buffer.alloc(0) };
    const blobs = sealedBlobs(input.source, wanted, spans[owner]);

    function advance(): void {
      try {
        run.next = blobs.next().value ?? undefined;
      } catch (error) {
        run.next = undefined;
        // The pack itself cannot be read: that is the fate of every file that still waits for parts of it.
        gathered.flush();
        const why = new LifeboatError(
          'repository-damaged',
          `pack ${input.packName} cannot be read: ${messageOf(error)}`,
        );
        for (let file = 0; file < paths.length; file++) if (placesLeft[file]! > 0) fail(file, why);
      }
      if (!run.next) return;
      const first = placesFrom[run.next.blob.blob]!;
      run.file = numbers[placeFiles[first]!]!;
      run.position = placeOffsets[first]!;
    }

    const run: Run = {
      next: undefined,
      file: 0,
      position: 0,
      step() {
        const {
          blob: { blob },
          sealed,
        } = run.next!;
        try {
          if (!sealed) throw tooShort(blob);
          place(blob, sealed);
        } catch (error) {
          for (let at = placesFrom[blob]!; at < placesFrom[blob + 1]!; at++) finish(placeFiles[at]!, error);
        }
        advance();
      },
      write: (number, bytes, position) => write(fileOf.get(number)!, bytes, position),
      finish: (number, failure) => finish(fileOf.get(number)!, failure),
      end() {
        blobs.return();
        for (const fd of whole) if (fd >= 0) closeSync(fd);
      },
      output: { problems, withoutMetadata },
    };
    advance();
    return run;
  }

  function restore(parts: readonly RestoreInput[]): readonly RestoreOutput[] {
    decoder ??= createBlobDecoder(sealer);
    if (setTimes === undefined) setTimes = bindFileTimes();
    if (writeBack === undefined && parts.some((part) => part.writeBack)) writeBack = bindWriteBack();
    runs = [];
    try {
      runs = parts.map(begin);
      for (;;) {
        if (Atomics.load(control, 0) !== 0) throw new LifeboatError('cancelled', 'the restore was cancelled');
        let first: Run | null = null;
        for (const run of runs) if (run.next && (first === null || isBefore(run, first))) first = run;
        if (first === null) break;
        first.step();
      }
      gathered.flush();
      return runs.map(({ output }) => output);
    } finally {
      gathered.drop();
      for (const run of runs) run.end();
      runs = [];
      if (Atomics.load(control, 0) !== 0) close();
    }
  }

  return { restore, close };
}
