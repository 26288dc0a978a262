import { type FileHandle, open, stat } from 'node:fs/promises';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';

/** Bytes that come one after another, once: a file, a tape drive, a pipe. */
export interface ByteInput {
  /** For messages. */
  readonly name: string;
  /** A file whose bytes can be read again at any place, or null. */
  readonly path: string | null;
  /** The next bytes: as many as asked for, fewer only at the end. They stay as they are. */
  read(length: number): Promise<Buffer>;
  /** Bytes handed out so far. */
  position(): number;
  close(): Promise<void>;
}

/** At least a record of a tape, which has to be read as a whole. */
const chunkBytes = 1024 * 1024;

type Pull = () => Promise<Buffer | null>;

function createInput(name: string, path: string | null, pull: Pull, close: () => Promise<void>): ByteInput {
  let chunk: Buffer = Buffer.alloc(0);
  let position = 0;
  /** One chunk is on its way while the one before is worked on. */
  let coming: Promise<Buffer | null> | null = null;

  async function nextChunk(): Promise<boolean> {
    const next = await (coming ?? pull());
    coming = null;
    if (next === null) return false;
    chunk = next;
    coming = pull();
    coming.catch(() => undefined); // told when it is asked for
    return true;
  }

  return {
    name,
    path,
    async read(length) {
      if (chunk.length < length) {
        const whole = Buffer.allocUnsafeSlow(length);
        let filled = 0;
        while (filled < length) {
          if (chunk.length === 0 && !(await nextChunk())) break;
          const taken = Math.min(chunk.length, length - filled);
          chunk.copy(whole, filled, 0, taken);
          chunk = chunk.subarray(taken);
          filled += taken;
        }
        position += filled;
        return whole.subarray(0, filled);
      }
      const part = chunk.subarray(0, length);
      chunk = chunk.subarray(length);
      position += length;
      return part;
    },
    position: () => position,
    async close() {
      await coming?.catch(() => undefined); // whoever reads on is told
      await close();
    },
  };
}

function unreadable(name: string, error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const why = errnoOf(error) === 'ENOENT' ? 'it does not exist' : messageOf(error);
  return new LifeboatError('source-unreadable', `cannot read ${name}: ${why}`, { cause: error });
}

/** Whether it is a file on a disk; a pipe or a tape may be opened once only. @throws LifeboatError `source-unreadable`. */
export async function isPlainFile(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.isFile() || found.isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @throws LifeboatError `source-unreadable`; a folder is none that can be read. */
export async function openFileInput(path: string): Promise<ByteInput> {
  let handle: FileHandle;
  let isFile: boolean;
  try {
    handle = await open(path, 'r');
    const found = await handle.stat();
    isFile = found.isFile();
    if (found.isDirectory()) {
      await handle.close();
      throw new LifeboatError('source-unreadable', `cannot read ${path}: it is a folder`, {
        hint: 'name the volumes in it; an unpacked export is a repository, to be used with --from-repo',
      });
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const pull = async (): Promise<Buffer | null> => {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    try {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null);
      return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
    } catch (error) {
      throw unreadable(path, error);
    }
  };
  return createInput(path, isFile ? path : null, pull, () => handle.close());
}

/** @param name such as `standard input`. */
export function streamInput(name: string, stream: AsyncIterable<Uint8Array>): ByteInput {
  const iterator = stream[Symbol.asyncIterator]();
  const pull = async (): Promise<Buffer | null> => {
    try {
      const { value, done } = await iterator.next();
      if (done) return null;
      const bytes: Uint8Array = value;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } catch (error) {
      throw unreadable(name, error);
    }
  };
  return createInput(name, null, pull, async () => {
    await iterator.return?.();
  });
}
