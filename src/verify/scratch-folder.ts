import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { LifeboatError, messageOf } from '../core/errors.ts';

/** A restore needs more than the content: folders, metadata, the ends of blocks. */
const spareFactor = 1.05;
const spareBytes = 32 * 1024 * 1024;
const bytesPerEntry = 4096;
const mebibyte = 1024 * 1024;

/** Bytes that this user may still write there; null where that cannot be found out. */
function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    // A place that cannot be looked at is no place for a scratch folder.
    return null;
  }
}

/** What a restore of so much needs at most. */
export function scratchBytesNeeded(bytes: number, entries: number): number {
  return Math.ceil(bytes * spareFactor) + entries * bytesPerEntry + spareBytes;
}

/**
 * Makes a folder of its own with room for a test restore.
 *
 * @param wanted where; undefined: the first of the usual places for temporary files that has room.
 * @throws LifeboatError `scratch-full` naming what is needed and what is there.
 */
export function makeScratchFolder(bytesNeeded: number, wanted?: string): string {
  const places = wanted === undefined ? [...new Set([tmpdir(), '/var/tmp'])] : [wanted];
  const found = places.map((place) => ({ place, free: freeBytes(place) }));
  const chosen = found.find(({ free }) => free !== null && free >= bytesNeeded);
  const inMebibytes = (bytes: number): string => `${Math.ceil(bytes / mebibyte)} MiB`;
  if (chosen === undefined) {
    const there = found
      .map(({ place, free }) => `${place} ${free === null ? 'cannot be used' : `has ${inMebibytes(free)}`}`)
      .join(', ');
    throw new LifeboatError(
      'scratch-full',
      `the test restore needs ${inMebibytes(bytesNeeded)} of free space: ${there}`,
    );
  }
  try {
    return mkdtempSync(join(chosen.place, 'lifeboat-proof-'));
  } catch (error) {
    throw new LifeboatError('scratch-full', `cannot make a folder in ${chosen.place}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Removes it with all in it, whatever permissions the restored folders have. */
export function removeScratchFolder(path: string): void {
  openFolders(Buffer.from(path));
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Gives their owner back the right to empty folders that are read-only. Root needs no right. */
function openFolders(path: Buffer): void {
  if (process.geteuid?.() === 0) return;
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) openFolders(Buffer.concat([path, Buffer.from('/'), entry.name]));
  }
}
