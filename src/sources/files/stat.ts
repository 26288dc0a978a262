import { realpathSync } from 'node:fs';
import { type ByteString, toPath } from '../../core/bytestring.ts';
import { lstatFast } from '../../transport/posix.ts';
import type { FileStat } from '../../transport/posix-types.ts';

export type { FileStat };

/** What lies at a path, symlinks not followed. @throws system errors. */
export function statEntry(path: ByteString): FileStat {
  return lstatFast(path);
}

/** The path with all symlinks followed, absolute. @throws system errors. */
export function resolvePath(path: ByteString): ByteString {
  return realpathSync.native(toPath(path), 'latin1') as ByteString;
}
