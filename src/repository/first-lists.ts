import type { Storage } from '../storage/storage.ts';
import { type ListedFile, listFiles } from './repository.ts';

/**
 * What nearly every command lists first. Names need no key, so they can be asked for while the key is derived;
 * a distant storage then answers in the same round trip. Snapshots come before the index, so that the index knows
 * all that they refer to.
 */
export interface FirstLists {
  readonly locks: Promise<readonly ListedFile[]>;
  readonly snapshots: Promise<readonly ListedFile[]>;
  readonly index: Promise<readonly ListedFile[]>;
}

/** Begins at once. A list that fails tells whoever awaits it. */
export function beginLists(storage: Storage): FirstLists {
  const locks = listFiles(storage, 'locks');
  const snapshots = listFiles(storage, 'snapshots');
  const index = snapshots.then(() => listFiles(storage, 'index'));
  for (const list of [locks, snapshots, index]) list.catch(() => undefined); // thrown where it is awaited
  return { locks, snapshots, index };
}
