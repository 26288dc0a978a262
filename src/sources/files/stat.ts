import type { ByteString } from '../../core/bytestring.ts';
import { lstatFast } from '../../transport/posix.ts';
import type { FileStat } from '../../transport/posix-types.ts';

export type { FileStat };

/** What lies at a path, symlinks not followed. @throws system errors. */
export function statEntry(path: ByteString): FileStat {
  return lstatFast(path);
}
