import { realpath } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { askLocally } from './hand-over.ts';
import { findRunFolders, socketPath } from './run-folder.ts';

/**
 * Hands a file over to the process that serves its data directory.
 *
 * @param path as PostgreSQL gave it: `pg_wal/<name>`, relative to the data directory.
 * @param wanted null where the user named none.
 * @returns false where there is no such process, or it serves another source: the caller stores the file itself.
 * @throws LifeboatError why the other process could not store it.
 */
export async function handOver(
  path: string,
  wanted: { readonly source: string | null; readonly configPath: string | null },
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const absolute = resolve(path);
  const walFolder = dirname(absolute);
  if (basename(walFolder) !== 'pg_wal') return false;
  const dataDirectory = await realpath(dirname(walFolder)).catch(() => null);
  if (dataDirectory === null) return false;
  for (const folder of await findRunFolders(env)) {
    const request = { version: 1, name: basename(absolute), ...wanted };
    const answer = await askLocally(socketPath(folder, dataDirectory), request);
    if (answer?.status === 'stored') return true;
  }
  return false;
}
