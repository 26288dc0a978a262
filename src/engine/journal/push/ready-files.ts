import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../core/errors.ts';
import { compareArchiveNames, parseArchiveName } from './archive-name.ts';

/** Files of a data directory that wait to be archived: `pg_wal/archive_status/<name>.ready` (xlogarchive.c). */

const suffix = '.ready';

export const statusFolder = (dataDirectory: string): string =>
  join(dataDirectory, 'pg_wal', 'archive_status');

/** In the order in which they should be archived. */
export async function listReady(dataDirectory: string): Promise<string[]> {
  const names = (await readdir(statusFolder(dataDirectory)))
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .filter((name) => parseArchiveName(name) !== null);
  return names.sort(compareArchiveNames);
}

/** Whether PostgreSQL waits for this file: before that it may still be written to, and afterwards used again. */
export async function isReady(dataDirectory: string, name: string): Promise<boolean> {
  try {
    await stat(join(statusFolder(dataDirectory), `${name}${suffix}`));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
