import type { Id } from '../../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import type { Repository } from '../../repository/repository.ts';
import { refuseIfHeld, removeSnapshot, saveSnapshot } from '../../repository/snapshots.ts';

export interface TagChange {
  /** Takes the place of all tags; null leaves them. An empty list takes all away. */
  readonly set: readonly string[] | null;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/**
 * The snapshot with other tags, or null where they stay the same. The ID that it had first stays known in
 * `original`. Setting tags always counts as a change, as in restic.
 */
export function changeTags({ id, ...snapshot }: StoredSnapshot, change: TagChange): Snapshot | null {
  const before = snapshot.tags ?? [];
  const after = change.set ?? [...before, ...new Set(change.add.filter((tag) => !before.includes(tag)))];
  const left = change.set ?? after.filter((tag) => !change.remove.includes(tag));
  const changed =
    change.set !== null || left.length !== before.length || left.some((tag, i) => tag !== before[i]);
  if (!changed) return null;
  const { tags: _, ...rest } = snapshot;
  return { ...rest, ...(left.length > 0 ? { tags: [...left] } : {}), original: snapshot.original ?? id };
}

/** Saves the new snapshot, then deletes the old one: at no moment there is none. Returns the new ID. */
export async function replaceSnapshot(repository: Repository, old: Id, snapshot: Snapshot): Promise<Id> {
  await refuseIfHeld(repository, old);
  const id = await saveSnapshot(repository, snapshot);
  await removeSnapshot(repository, old);
  return id;
}
