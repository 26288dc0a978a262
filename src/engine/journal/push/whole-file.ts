import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { LifeboatError, messageOf } from '../../../core/errors.ts';

/** Reads files of pg_wal as a whole. All throw LifeboatError `source-unreadable`. */

export type ReadWhole = (path: string) => Promise<Buffer> | Buffer;

const unreadable = (path: string, cause: unknown): LifeboatError =>
  new LifeboatError('source-unreadable', `${path} cannot be read: ${messageOf(cause)}`, { cause });

/** Into new memory, without holding up whatever else this thread does. */
export async function readWhole(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * For a thread that has nothing else to do: no other thread need wake up for it.
 * @param memory gives room for that many bytes.
 */
export function readWholeAtOnce(path: string, memory: (length: number) => Buffer): Buffer {
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = memory(fstatSync(file).size);
      let length = 0;
      while (length < buffer.length) {
        const read = readSync(file, buffer, length, buffer.length - length, length);
        if (read === 0) break;
        length += read;
      }
      return buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}
