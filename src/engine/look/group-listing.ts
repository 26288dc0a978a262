import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type GroupBy, groupSnapshots, type SnapshotGroup } from '../../policy/grouping.ts';
import { newestFirst } from '../../policy/retention.ts';

export interface SnapshotListing {
  /** False: there is at most one group, and its key says nothing. */
  readonly grouped: boolean;
  /** Each oldest first. */
  readonly groups: readonly SnapshotGroup[];
}

/**
 * What `snapshots` shows: all or only the latest of each group; of each host with the same paths where
 * nothing is grouped (restic cmd/restic/cmd_snapshots.go).
 *
 * @param latest how many; 0 for all.
 */
export function groupListing(
  snapshots: readonly StoredSnapshot[],
  by: GroupBy,
  latest: number,
): SnapshotListing {
  const grouped = by.host || by.paths || by.tags;
  const groups = groupSnapshots(snapshots, by).map((group) => {
    const sorted = newestFirst(group.snapshots);
    const kept =
      latest === 0 ? sorted : grouped ? sorted.slice(0, latest) : latestOfEachTarget(sorted, latest);
    return { key: group.key, snapshots: kept.toReversed() };
  });
  return { grouped, groups };
}

function latestOfEachTarget(newest: readonly StoredSnapshot[], latest: number): StoredSnapshot[] {
  const seen = new Map<string, number>();
  return newest.filter(({ hostname = '', paths }) => {
    const target = JSON.stringify([hostname, paths]);
    const count = (seen.get(target) ?? 0) + 1;
    seen.set(target, count);
    return count <= latest;
  });
}
