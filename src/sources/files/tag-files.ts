import { closeSync, constants, lstatSync, openSync, readSync } from 'node:fs';
import { type ByteString, joinPath, toPath } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';

/** A fifo of that name must not hang the backup. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * First bytes of a file in a directory; fewer where it is shorter, null where there is none. For a length of
 * 0 anything of that name will do, and it is not opened.
 * @throws system errors other than absence.
 */
export function readBeginning(directory: ByteString, name: ByteString, length: number): Uint8Array | null {
  const path = toPath(joinPath(directory, name));
  try {
    lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  if (length === 0) return new Uint8Array();
  const fd = openSync(path, openFlags);
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, null));
  } finally {
    closeSync(fd);
  }
}
