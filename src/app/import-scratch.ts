import { rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { LifeboatError, messageOf } from '../core/errors.ts';
import type { ScratchFolder } from '../engine/import/spool.ts';
import { makeOwnedFolder } from '../transport/owned-folder.ts';

const folderPrefix = 'lifeboat-import-';

/**
 * A private folder with room for so many bytes; those of imports that were killed are removed.
 *
 * @param wanted where; undefined: where temporary files go.
 * @throws LifeboatError `scratch-full`.
 */
export function makeImportScratch(bytes: number, wanted?: string): ScratchFolder {
  const place = wanted ?? tmpdir();
  const hint = 'name a folder that has more room with --scratch FOLDER; volumes on a disk need none';
  const mebibytes = (count: number): string => `${Math.ceil(count / 2 ** 20)} MiB`;
  let path: string;
  try {
    const { bavail, bsize } = statfsSync(place);
    if (bavail * bsize < bytes)
      throw new LifeboatError(
        'scratch-full',
        `what comes from a stream has to be kept while it is imported: that needs ${mebibytes(bytes)}, and ${place} has ${mebibytes(bavail * bsize)} free`,
        { hint },
      );
    path = makeOwnedFolder(place, folderPrefix);
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    throw new LifeboatError('scratch-full', `cannot make a folder in ${place}: ${messageOf(error)}`, {
      cause: error,
      hint,
    });
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
