import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { bytesOfText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { makeFolders } from '../core/folders.ts';

/**
 * Writes a file that only its owner may read, durably and in one step; folders above it are made private.
 *
 * @throws LifeboatError `private-file-failed`.
 */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeFolders(bytesOfText(dirname(path)), 0o700);
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    throw new LifeboatError('private-file-failed', `cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export function fileExists(path: string): boolean {
  return existsSync(path);
}
