import { constants, copyFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../src/core/errors.ts';

export interface Limits {
  readonly filesMax: number;
  readonly bytesMax: number;
}

export interface Collected {
  files: number;
  bytes: number;
}

/** Folders that are no files of the system's own, or change while they are read. */
const foreign = new Set(['node_modules', 'dist', '__pycache__', '.git']);

/**
 * Copies regular files of the system to `target`, keeping their paths, until one of the limits is reached.
 * Files that may not be read are left out.
 */
export function collect(
  target: string,
  roots: readonly string[],
  wanted: (path: string, bytes: number) => boolean,
  limits: Limits,
  collected: Collected = { files: 0, bytes: 0 },
): Collected {
  const full = (): boolean => collected.files >= limits.filesMax || collected.bytes >= limits.bytesMax;

  function copy(path: string): void {
    const { size } = statSync(path);
    if (!wanted(path, size)) return;
    const destination = join(target, path);
    mkdirSync(dirname(destination), { recursive: true });
    copyFileSync(path, destination, constants.COPYFILE_EXCL);
    collected.files++;
    collected.bytes += size;
  }

  function walk(folder: string): void {
    if (full()) return;
    const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !foreign.has(entry.name)) unlessForbidden(() => walk(path));
      else if (entry.isFile() && !full()) unlessForbidden(() => copy(path));
    }
  }

  for (const root of roots) unlessForbidden(() => walk(root));
  return collected;
}

/** Files that vanish, may not be read or were copied from an earlier root are not needed. */
function unlessForbidden(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!['ENOENT', 'EACCES', 'EPERM', 'EEXIST'].includes(errnoOf(error))) throw error;
  }
}
