import type { Lsn, Timeline, TimelineSwitch, WalRange } from '../../model/wal.ts';
import type { BackupPoint } from './backup-points.ts';

/**
 * Timelines form a tree: each but the first left its parent at some LSN, and its history file names all its
 * ancestors (readTimeLineHistory in timeline.c).
 */
export type Histories = ReadonlyMap<Timeline, readonly TimelineSwitch[]>;

/** A stretch of one timeline on the way to the one that is recovered to. */
export interface Leg {
  readonly timeline: Timeline;
  /** Where the timeline begins; 0 for the oldest that is known. */
  readonly start: Lsn;
  /** Where it was left for the next one; null for the last. */
  readonly end: Lsn | null;
}

/** The way from the oldest ancestor to a timeline, which is the last leg. */
export function legsTo(timeline: Timeline, histories: Histories): Leg[] {
  const legs: Leg[] = [];
  let start = 0n;
  for (const ancestor of histories.get(timeline) ?? []) {
    legs.push({ timeline: ancestor.timeline, start, end: ancestor.end });
    start = ancestor.end;
  }
  legs.push({ timeline, start, end: null });
  return legs;
}

/** All timelines that anything tells of, in the order of their numbers. */
export function knownTimelines(
  histories: Histories,
  ranges: readonly WalRange[],
  backups: readonly BackupPoint[],
): Timeline[] {
  const known = new Set<Timeline>(histories.keys());
  for (const switches of histories.values()) for (const { timeline } of switches) known.add(timeline);
  for (const { timeline } of [...ranges, ...backups]) known.add(timeline);
  return [...known].sort((a, b) => a - b);
}

/**
 * Why a backup cannot be recovered along these legs, or null where it can: its timeline must be on the way, and
 * it must have ended before the way leaves that timeline.
 */
export function backupObjection(
  backup: BackupPoint,
  legs: readonly Leg[],
): 'no-ancestor' | 'after-fork' | null {
  const leg = legs.find(({ timeline }) => timeline === backup.timeline);
  if (!leg) return 'no-ancestor';
  return leg.end !== null && backup.stop > leg.end ? 'after-fork' : null;
}

/** The leg whose timeline the byte at `lsn` was written on. */
export function legAt(legs: readonly Leg[], lsn: Lsn): Leg {
  return legs.find(({ end }) => end === null || lsn < end) ?? legs[legs.length - 1]!;
}
