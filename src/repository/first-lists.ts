import type { Storage } from '../storage/storage.ts';
import { type ListedFile, listFiles } from './repository.ts';

/**
 * What nearly every command lists first. Names need no key, so they can be asked for while the key is derived;
 * a distant storage then answers in the same round trip. Snapshots come before the index, so that the index knows
 * all that they refer to.
 */
export interface FirstLists extends ReadingLists {
  readonly locks: Promise<readonly ListedFile[]>;
}

/** What is read from. */
export interface ReadingLists {
  readonly snapshots: Promise<readonly ListedFile[]>;
  readonly index: Promise<readonly ListedFile[]>;
}

/** Begins at once. A list that fails tells whoever awaits it. */
export function beginReadingLists(storage: Storage): ReadingLists {
  const snapshots = listFiles(storage, 'snapshots');
  const index = snapshots.then(() => listFiles(storage, 'index'));
  for (const list of [snapshots, index]) list.catch(() => undefined); // thrown where it is awaited
  return { snapshots, index };
}

/** The same with the locks. */
export function beginLists(storage: Storage): FirstLists {
  const locks = listFiles(storage, 'locks');
  locks.catch(() => undefined); // as above
  return { locks, ...beginReadingLists(storage) };
}
