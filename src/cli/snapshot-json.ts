import { shortId } from '../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../model/snapshot.ts';
import { encodeSnapshot } from '../model/snapshot-codec.ts';
import type { SnapshotGroup } from '../policy/grouping.ts';

/** A snapshot's JSON as restic prints it: the stored document, its ID, and further members in order. */
export function snapshotJson(snapshot: StoredSnapshot, more: Readonly<Record<string, string>> = {}): string {
  const members = Object.entries({ id: snapshot.id, short_id: shortId(snapshot.id), ...more });
  const added = members.map(([name, value]) => `,"${name}":${JSON.stringify(value)}`).join('');
  return `${documentJson(snapshot).slice(0, -1)}${added}}`;
}

/** The stored document alone. */
export function documentJson(snapshot: Snapshot): string {
  return encodeSnapshot(snapshot).toString('utf8');
}

/** A list of snapshots. */
export function snapshotsJson(snapshots: readonly StoredSnapshot[]): string {
  return `[${snapshots.map((snapshot) => snapshotJson(snapshot)).join(',')}]`;
}

/** Groups as `snapshots --group-by` prints them. */
export function snapshotGroupsJson(groups: readonly SnapshotGroup[]): string {
  const one = ({ key, snapshots }: SnapshotGroup): string => {
    const { hostname, paths, tags } = key;
    return `{"group_key":${JSON.stringify({ hostname, paths, tags })},"snapshots":${snapshotsJson(snapshots)}}`;
  };
  return `[${groups.map(one).join(',')}]`;
}
