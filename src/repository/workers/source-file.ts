import { constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { errnoOf, messageOf } from '../../core/errors.ts';
import type { FileProblem } from './protocol.ts';

/** Opening and reading the files that are backed up, which others may change meanwhile. */

/**
 * O_NONBLOCK: a file that was replaced by a fifo since it was listed must not hang the backup.
 * O_NOFOLLOW: nor may a symbolic link lead the backup elsewhere.
 */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws system errors. */
export function openSource(path: string | Buffer): number {
  return openSync(path, openFlags);
}

/** What replaced the file since it was listed may never end. @throws `ESTALE` where it is no regular file. */
export function regularFile(fd: number): Stats {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw Object.assign(new Error('is no regular file any more'), { code: 'ESTALE' });
  return stat;
}

/** Reads until the buffer is full or the file ends. Returns the bytes read. */
export function readFully(fd: number, target: Uint8Array, position: number | null): number {
  let done = 0;
  while (done < target.length) {
    const n = readSync(fd, target, done, target.length - done, position === null ? null : position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

/** System errors are named ENOENT and the like; our own errors and defects are not. */
export function isSystemError(error: unknown): boolean {
  return /^E[A-Z0-9]+$/.test(errnoOf(error));
}

export function problemOf(error: unknown): FileProblem {
  return { code: errnoOf(error), message: messageOf(error) };
}
