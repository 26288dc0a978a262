import { closeSync, openSync, readSync } from 'node:fs';
import { type ByteString, joinPath, toPath } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';

/**
 * First bytes of a file in a directory; fewer where it is shorter, null where there is none.
 * @throws system errors other than absence.
 */
export function readBeginning(directory: ByteString, name: ByteString, length: number): Uint8Array | null {
  let fd: number;
  try {
    fd = openSync(toPath(joinPath(directory, name)), 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, length === 0 ? 0 : readSync(fd, bytes, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}
