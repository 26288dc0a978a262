import { hasCode } from '../../core/errors.ts';
import { isHeartbeatKey } from '../../journal/layout.ts';
import type { ObjectVersion } from '../../model/retention.ts';
import { forEachOf, repositoryVersions, type Storage } from './vault.ts';

/**
 * What was hidden for long enough: snapshots that were forgotten, index files and log that were replaced. On a bucket
 * that keeps versions, deleting leaves all of it there, below a delete marker.
 */
export interface SweepPlan {
  /** In the order of removal: of a key content first, oldest first, so that nothing comes to light again. */
  readonly remove: readonly ObjectVersion[];
  readonly bytes: number;
}

/** Locks and heartbeats leave a version each time, which nobody ever wants back; younger ones may be at work. */
const transientAgeMs = 60 * 60_000;

/**
 * Decides what goes for good. Content goes when it has been hidden or replaced for as long as the policy says; until
 * then it can be brought back. Whether it is still locked only the storage knows.
 * @param versions all, of each key newest first.
 */
export function planSweep(versions: readonly ObjectVersion[], forMs: number, nowMs: number): SweepPlan {
  const byKey = Map.groupBy(versions, ({ key }) => key);
  const remove: ObjectVersion[] = [];
  for (const [key, all] of byKey) {
    const waitMs = key.startsWith('locks/') || isHeartbeatKey(key) ? transientAgeMs : forMs;
    const isOld = (sinceMs: number): boolean => nowMs - sinceMs >= waitMs;
    const gone: ObjectVersion[] = [];
    for (const [n, version] of all.entries()) {
      // Since when it has not been what a reader meets: since the next newer one.
      const newer = all[n - 1];
      if (newer && isOld(newer.modifiedMs)) gone.push(version);
    }
    const [latest] = all;
    // A marker that hides nothing any more.
    if (latest?.isDeleteMarker && gone.length === all.length - 1 && isOld(latest.modifiedMs))
      gone.unshift(latest);
    remove.push(...gone.reverse());
  }
  return { remove, bytes: remove.reduce((sum, { size }) => sum + size, 0) };
}

export interface SweepReport {
  readonly removed: number;
  readonly removedBytes: number;
  /** What the storage did not let go, as it is locked or held. */
  readonly kept: number;
}

/** Removes what the plan says. What is locked stays, with what hides it; the next sweep tries again. */
export async function executeSweep(
  storage: Storage,
  { remove }: SweepPlan,
  signal?: AbortSignal,
): Promise<SweepReport> {
  const { vault } = storage;
  let removed = 0;
  let removedBytes = 0;
  let kept = 0;
  const byKey = [...Map.groupBy(remove, ({ key }) => key).values()];
  if (vault)
    await forEachOf(
      storage,
      byKey,
      async (versions) => {
        for (const [n, { key, versionId, size }] of versions.entries()) {
          try {
            await vault.removeVersion(key, versionId);
          } catch (error) {
            if (!hasCode(error, 'storage-denied')) throw error;
            kept += versions.length - n;
            return;
          }
          removed++;
          removedBytes += size;
        }
      },
      signal,
    );
  return { removed, removedBytes, kept };
}

/** Nothing is swept without a policy: then the rules of the bucket are all that counts. */
export async function prepareSweep(storage: Storage): Promise<SweepPlan | null> {
  const { vault } = storage;
  if (!vault?.policy) return null;
  return planSweep(await repositoryVersions(storage), vault.policy.forMs, Date.now());
}
