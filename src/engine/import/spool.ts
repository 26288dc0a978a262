import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import type { Place } from './exported-storage.ts';

/** A private folder for what has to be read again and can be read from its medium only once. */
export interface ScratchFolder {
  readonly path: string;
  remove(): void;
}

/** Puts a file of an export there. @throws LifeboatError `scratch-full`. */
export async function spoolFile(folder: ScratchFolder, key: string, bytes: Buffer): Promise<Place> {
  const path = join(folder.path, key.replaceAll('/', '-'));
  try {
    await writeFile(path, bytes, { mode: 0o600 });
  } catch (error) {
    const full = errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
    throw new LifeboatError('scratch-full', `cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
      hint: full
        ? 'free space there, or name a folder that has more with --scratch FOLDER; import again'
        : 'name another folder with --scratch FOLDER; import again',
    });
  }
  return { kind: 'file', path, size: bytes.length };
}
