import type { Id } from '../../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import { compareTimes } from '../../model/time.ts';
import { hasTags } from '../../policy/tags.ts';

export interface CopySelection {
  readonly copy: readonly StoredSnapshot[];
  readonly skip: readonly { readonly source: StoredSnapshot; readonly copied: StoredSnapshot }[];
}

/**
 * Leaves out what was copied before: the destination has a snapshot of the same origin, which a copy keeps in
 * `original`, and with the same facts (restic cmd/restic/cmd_copy.go).
 */
export function selectForCopy(
  source: readonly StoredSnapshot[],
  destination: readonly StoredSnapshot[],
): CopySelection {
  const byOrigin = new Map<Id, StoredSnapshot[]>();
  for (const snapshot of destination) {
    for (const origin of new Set([snapshot.id, snapshot.original ?? snapshot.id])) {
      const same = byOrigin.get(origin);
      if (same) same.push(snapshot);
      else byOrigin.set(origin, [snapshot]);
    }
  }
  const copy: StoredSnapshot[] = [];
  const skip: { source: StoredSnapshot; copied: StoredSnapshot }[] = [];
  for (const snapshot of source) {
    const candidates = byOrigin.get(snapshot.original ?? snapshot.id) ?? [];
    const copied = candidates.find((candidate) => isSimilar(candidate, snapshot));
    if (copied) skip.push({ source: snapshot, copied });
    else copy.push(snapshot);
  }
  return { copy, skip };
}

/** Whether all is the same but parent, original, program and summary. */
export function isSimilar(a: Snapshot, b: Snapshot): boolean {
  const sameLength = (x: readonly string[] = [], y: readonly string[] = []): boolean => x.length === y.length;
  return (
    compareTimes(a.time, b.time) === 0 &&
    a.tree === b.tree &&
    (a.hostname ?? '') === (b.hostname ?? '') &&
    (a.username ?? '') === (b.username ?? '') &&
    (a.uid ?? 0) === (b.uid ?? 0) &&
    (a.gid ?? 0) === (b.gid ?? 0) &&
    sameLength(a.paths, b.paths) &&
    b.paths.every((path) => a.paths.includes(path)) &&
    sameLength(a.tags, b.tags) &&
    hasTags(a, b.tags ?? []) &&
    sameLength(a.excludes, b.excludes) &&
    (a.excludes ?? []).every((pattern, i) => pattern === b.excludes?.[i])
  );
}

/** What the destination gets: the parent means nothing there, and the first ID stays known. */
export function copiedSnapshot({ id, ...snapshot }: StoredSnapshot): Snapshot {
  const { parent: _, ...rest } = snapshot;
  return { ...rest, original: snapshot.original ?? id };
}
