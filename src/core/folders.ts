import { constants, promises as fs, mkdirSync, statSync } from 'node:fs';
import { type ByteString, toPath } from './bytestring.ts';
import { errnoOf } from './errors.ts';

/**
 * Makes a folder and those above it that are missing. Not node:fs' recursive mkdir, which never ends on file
 * systems that answer ENOENT, such as /proc (Node 26.10).
 * @throws system errors.
 */
export function makeFolders(path: ByteString, mode: number): void {
  if (statSync(toPath(path), { throwIfNoEntry: false })?.isDirectory()) return;
  const above = path.slice(0, path.lastIndexOf('/')) as ByteString;
  if (above !== '' && above !== path && path.includes('/')) makeFolders(above, mode);
  try {
    mkdirSync(toPath(path), mode);
  } catch (error) {
    // Another process, or another task of this one, may have been faster.
    if (errnoOf(error) !== 'EEXIST' || !statSync(toPath(path)).isDirectory()) throw error;
  }
}

/** Makes the names in a folder durable. File systems that cannot sync one say EINVAL. @throws system errors. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}
