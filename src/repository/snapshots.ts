import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../model/snapshot.ts';
import { encodeSnapshot, parseSnapshot } from '../model/snapshot-codec.ts';
import { compareTimes } from '../model/time.ts';
import type { FirstLists } from './first-lists.ts';
import { keyOf } from './layout.ts';
import { protectionOf } from './protection.ts';
import { listFiles, type Repository } from './repository.ts';

const readersMax = 8;

export interface SnapshotList {
  /** Oldest first. */
  readonly snapshots: StoredSnapshot[];
  /** Snapshot files that could not be read. */
  readonly broken: Map<Id, LifeboatError>;
}

/**
 * Reads all snapshot files. Call it before the index is loaded: what a snapshot refers to is in the index
 * by the time the snapshot exists, not the other way round.
 * @param tolerant note damaged files in `broken` and go on; otherwise the first one throws.
 * @param listed the files, where they were listed already.
 */
export async function listSnapshots(
  repository: Repository,
  tolerant = false,
  listed?: FirstLists['snapshots'] | undefined,
): Promise<SnapshotList> {
  const files = await (listed ?? listFiles(repository.storage, 'snapshots'));
  const snapshots: StoredSnapshot[] = [];
  const broken = new Map<Id, LifeboatError>();
  let next = 0;
  const readSome = async (): Promise<void> => {
    while (next < files.length) {
      const { id } = files[next++]!;
      try {
        snapshots.push({ ...parseSnapshot(await repository.files.load('snapshots', id)), id });
      } catch (error) {
        // Another process may forget a snapshot between the listing and the reading: then it is gone.
        if (hasCode(error, 'storage-missing-file')) continue;
        if (!tolerant || !hasCode(error, 'repository-damaged')) throw error;
        broken.set(id, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(readersMax, files.length) }, readSome));
  snapshots.sort((a, b) => compareTimes(a.time, b.time) || (a.id < b.id ? -1 : 1));
  return { snapshots, broken };
}

export function saveSnapshot(repository: Repository, snapshot: Snapshot): Promise<Id> {
  return repository.files.save('snapshots', encodeSnapshot(snapshot));
}

/**
 * To be asked before a snapshot is removed, or replaced by another.
 * @throws LifeboatError `snapshot-held` for one under a legal hold.
 */
export async function refuseIfHeld({ storage }: Repository, id: Id): Promise<void> {
  const protection = await protectionOf(storage, keyOf('snapshots', id));
  if (protection?.legalHold)
    throw new LifeboatError('snapshot-held', `snapshot ${id} is held, so it cannot be removed`);
}

/** @throws LifeboatError `snapshot-held`. */
export async function removeSnapshot(repository: Repository, id: Id): Promise<void> {
  await refuseIfHeld(repository, id);
  await repository.storage.remove(keyOf('snapshots', id));
}
