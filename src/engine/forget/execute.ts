import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import type { Repository } from '../../repository/repository.ts';
import { removeSnapshot } from '../../repository/snapshots.ts';

export interface ForgetReport {
  readonly removed: readonly Id[];
  readonly failed: ReadonlyMap<Id, unknown>;
}

/** Deletes snapshot files. One that cannot be deleted does not keep the others; it is in the report. */
export async function removeSnapshots(
  repository: Repository,
  ids: readonly Id[],
  onDone: (id: Id, error: unknown) => void = () => undefined,
  signal?: AbortSignal,
): Promise<ForgetReport> {
  const waiting = ids.toReversed();
  const removed: Id[] = [];
  const failed = new Map<Id, unknown>();
  const removeOne = async (id: Id): Promise<void> => {
    try {
      await removeSnapshot(repository, id);
      removed.push(id);
      onDone(id, null);
    } catch (error) {
      failed.set(id, error);
      onDone(id, error);
    }
  };
  await runBounded(
    repository.storage.connections,
    () => {
      const id = waiting.pop();
      return id === undefined ? null : removeOne(id);
    },
    signal,
  );
  return { removed, failed };
}
