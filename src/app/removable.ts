import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LifeboatError } from '../core/errors.ts';
import { readKnown } from './known-repositories.ts';
import type { StorageAccess } from './storage-access.ts';

/** Repositories on media that are taken away (`removable: true`, or `-o storage.removable=true`). */

export const removableOption = 'storage.removable';

/** For creating one: the medium is there, and its repository is not yet. */
export function withoutPresence(access: StorageAccess | undefined): StorageAccess | undefined {
  return (
    access && {
      ...access,
      shares: access.shares ?? access,
      options: access.options.filter(([key]) => key !== removableOption),
    }
  );
}

/** What is said in place of advice to create a repository. @param shown the location without secrets. */
export async function absentRepository(
  location: string,
  shown: string,
  env: StorageAccess['env'],
): Promise<LifeboatError> {
  const known = await readKnown(location, env);
  const newest = Object.values(known?.sources ?? {}).flatMap((source) => source.newest ?? []);
  const held = newest.length > 0 ? `, its newest snapshot of ${minute(newest.sort().at(-1)!)}` : '';
  const seen = known?.seenAt
    ? `it was last seen at ${minute(known.seenAt)}${held}`
    : 'this machine never saw it';
  return new LifeboatError('repository-absent', `the medium with ${shown} is not mounted; ${seen}`);
}

/** `2026-01-02 03:04 UTC`. */
function minute(rfc3339: string): string {
  const date = new Date(rfc3339);
  return Number.isNaN(date.getTime()) ? rfc3339 : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Whether a folder lies on the disk that `/` is on, so that no medium of its own is mounted there. */
function isOnRootDisk(path: string): boolean {
  for (let at = resolve(path); ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (found) return found.dev === statSync('/').dev;
  }
}

/**
 * Looks whether a removable repository may be created: what is written to the empty folder of a medium lies on
 * another disk than everybody believes.
 * @returns what to warn of, or null. @throws LifeboatError `repository-absent` where the medium was seen before.
 */
export async function lookForMedium(location: string, env: StorageAccess['env']): Promise<string | null> {
  if (!isOnRootDisk(location)) return null;
  const known = await readKnown(location, env);
  if (known?.seenAt) throw await absentRepository(location, location, env);
  return `${location} lies on the disk of /: mount the medium first, if it is one of its own`;
}
