import { rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { LifeboatError, messageOf } from '../../../core/errors.ts';
import { makeOwnedFolder } from '../../../transport/owned-folder.ts';

/** Folders of dumps on their way: parallel jobs write and read files. */

const mebibyte = 1024 * 1024;
const spareBytes = 16 * mebibyte;

const inMebibytes = (bytes: number): string => `${Math.ceil(bytes / mebibyte).toLocaleString('en')} MiB`;

/** Bytes that may still be written at a folder. @throws LifeboatError `scratch-full` where it cannot be used. */
export function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch (error) {
    throw new LifeboatError(
      'scratch-full',
      `the scratch folder ${folder} cannot be used: ${messageOf(error)}`,
      {
        hint: 'set `scratch` of the source to a folder that exists and has room',
        cause: error,
      },
    );
  }
}

/**
 * A private folder of its own. The caller removes it; what killed processes left there is removed too.
 * @param wanted where; null: the system's folder for temporary files.
 * @throws LifeboatError `scratch-full` naming what is needed and what is free.
 */
export function makeScratch(purpose: string, bytesNeeded: number, wanted: string | null): string {
  const place = wanted ?? tmpdir();
  const free = freeBytes(place);
  if (free < bytesNeeded + spareBytes) {
    throw new LifeboatError(
      'scratch-full',
      `${purpose} needs up to ${inMebibytes(bytesNeeded + spareBytes)} in ${place}, where ${inMebibytes(free)} are free`,
      { hint: 'free some space, name another folder as scratch, or use one job, which needs no space' },
    );
  }
  try {
    return makeOwnedFolder(place, 'lifeboat-dump-');
  } catch (error) {
    throw new LifeboatError('scratch-full', `cannot make a folder in ${place}: ${messageOf(error)}`, {
      hint: 'check that the folder may be written to',
      cause: error,
    });
  }
}

export function removeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
