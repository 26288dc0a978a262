import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { isId } from '../../model/id.ts';

/** One repository's cache in a folder of caches, laid out as restic's (restic internal/backend/cache). */
export interface LocalCache {
  /** The repository's ID, or the name of a temporary cache of `check`. */
  readonly name: string;
  readonly path: string;
  readonly usedMs: number;
}

const checkCachePrefix = 'restic-check-cache-';
const msOfDay = 86_400_000;
/** restic's default. */
export const oldAfterDays = 30;

/**
 * The caches in a folder, the longest unused first; none where there is no such folder.
 * @throws LifeboatError `storage-failed`.
 */
export async function listCaches(folder: string): Promise<LocalCache[]> {
  try {
    const entries = await fs.readdir(folder, { withFileTypes: true });
    const caches = entries
      .filter((entry) => entry.isDirectory() && (isId(entry.name) || entry.name.startsWith(checkCachePrefix)))
      .map(async ({ name }) => {
        const path = join(folder, name);
        return { name, path, usedMs: (await fs.stat(path)).mtimeMs };
      });
    return (await Promise.all(caches)).sort((a, b) => a.usedMs - b.usedMs);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw failure('read', folder, error);
  }
}

export function isOldCache(cache: LocalCache, maxAgeDays: number, nowMs: number): boolean {
  return nowMs - cache.usedMs > maxAgeDays * msOfDay;
}

export function unusedDays(cache: LocalCache, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - cache.usedMs) / msOfDay));
}

/** Bytes of all files below. @throws LifeboatError `storage-failed`. */
export async function sizeOfCache(cache: LocalCache): Promise<number> {
  try {
    let bytes = 0;
    for (const entry of await fs.readdir(cache.path, { recursive: true, withFileTypes: true })) {
      if (!entry.isDirectory()) bytes += (await fs.lstat(join(entry.parentPath, entry.name))).size;
    }
    return bytes;
  } catch (error) {
    throw failure('read', cache.path, error);
  }
}

/** @throws LifeboatError `storage-failed`. */
export async function removeCache(cache: LocalCache): Promise<void> {
  try {
    await fs.rm(cache.path, { recursive: true, force: true });
  } catch (error) {
    throw failure('remove', cache.path, error);
  }
}

function failure(action: string, path: string, error: unknown): LifeboatError {
  return new LifeboatError('storage-failed', `cannot ${action} the cache ${path}: ${messageOf(error)}`, {
    cause: error,
  });
}

/** Removes the caches that nobody used for so many days. @returns how many. @throws LifeboatError `storage-failed`. */
export async function removeOldCaches(folder: string, maxAgeDays = oldAfterDays): Promise<number> {
  const old = (await listCaches(folder)).filter((cache) => isOldCache(cache, maxAgeDays, Date.now()));
  for (const cache of old) await removeCache(cache);
  return old.length;
}
