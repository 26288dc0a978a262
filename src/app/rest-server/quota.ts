import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../core/errors.ts';

/** How much may be stored below a folder. Counted once at the start, then by what comes and goes. */
export interface Quota {
  /** Sets room aside; false where there is not enough. */
  reserve(bytes: number): boolean;
  /** What was set aside and not used, or was deleted. */
  giveBack(bytes: number): void;
}

export const noQuota: Quota = { reserve: () => true, giveBack: () => undefined };

/** @param bytesMax that all files below the folder may have together. */
export async function quotaOf(folder: string, bytesMax: number): Promise<Quota> {
  let used = await bytesBelow(folder);
  return {
    reserve(bytes) {
      if (used + bytes > bytesMax) return false;
      used += bytes;
      return true;
    },
    giveBack(bytes) {
      used -= bytes;
    },
  };
}

async function bytesBelow(folder: string): Promise<number> {
  let sum = 0;
  const waiting = [folder];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    try {
      for (const entry of await readdir(path, { withFileTypes: true })) {
        const below = join(path, entry.name);
        if (entry.isDirectory()) waiting.push(below);
        else if (entry.isFile()) sum += (await stat(below)).size;
      }
    } catch (error) {
      // What is gone meanwhile takes no room.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return sum;
}
