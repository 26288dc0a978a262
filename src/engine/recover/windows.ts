import type { Id } from '../../model/id.ts';
import { formatLsn, type Lsn, type Timeline } from '../../model/wal.ts';
import type { BackupPoint } from './backup-points.ts';
import { gaps, heldAlong, type Interval, joined, reach } from './coverage.ts';
import { namesOfUnit } from './log-units.ts';
import type { ClusterView, LogReader } from './source-view.ts';
import { backupObjection, knownTimelines, type Leg, legsTo } from './timelines.ts';

/** To which points a cluster can be recovered, computed from the repositories alone. */

/** On one timeline every point from `start` to `end`; where both are the same, that point alone. */
export interface RecoveryWindow {
  readonly start: Lsn;
  readonly end: Lsn;
  /** Snapshots that lie in it, or from which it begins. */
  readonly backups: readonly Id[];
}

/** Points between windows, or before the first part of a timeline, that cannot be recovered to. */
export interface WindowGap {
  readonly start: Lsn;
  readonly end: Lsn;
  /** Of the log, that would close it; empty where nothing would. */
  readonly missing: readonly Interval[];
  /** Names of the segments that hold what is missing, the first ones. */
  readonly segments: readonly string[];
  readonly segmentCount: number;
  /** How to close it, as a sentence. */
  readonly close: string;
}

export interface TimelineWindows {
  readonly timeline: Timeline;
  /** Where it left its parent; null for the oldest known. */
  readonly parent: { readonly timeline: Timeline; readonly at: Lsn } | null;
  readonly windows: readonly RecoveryWindow[];
  readonly gaps: readonly WindowGap[];
}

const segmentsNamed = 3;

/** The windows of one timeline's own part: from where it left its parent. */
function windowsOf(
  legs: readonly Leg[],
  held: readonly Interval[],
  backups: readonly BackupPoint[],
): RecoveryWindow[] {
  const own = legs[legs.length - 1]!.start;
  const reached = backups
    .map((backup) => ({ start: backup.stop, end: reach(held, backup.stop) }))
    .filter(({ end }) => end >= own)
    .map(({ start, end }) => ({ start: start > own ? start : own, end }));
  const parts = joined(reached);
  const points = reached.filter(({ start, end }) => start === end);
  const alone = points.filter(({ start }) => !parts.some((part) => part.start <= start && start <= part.end));
  const seen = new Set<Lsn>();
  const windows = [...parts, ...alone].filter(({ start }) => {
    if (seen.has(start)) return false;
    seen.add(start);
    return true;
  });
  return windows
    .sort((a, b) => (a.start < b.start ? -1 : 1))
    .map(({ start, end }) => ({
      start,
      end,
      backups: backups.filter(({ stop }) => start <= stop && stop <= end).map(({ snapshot }) => snapshot),
    }));
}

function gapBetween(
  view: ClusterView,
  legs: readonly Leg[],
  held: readonly Interval[],
  { start, end }: Interval,
): WindowGap {
  const missing = gaps(held, start, end);
  const unit = BigInt(view.segmentBytes);
  const segments: string[] = [];
  let segmentCount = 0;
  for (const part of missing) {
    for (let number = part.start / unit; number * unit < part.end; number++) {
      segmentCount++;
      const name = namesOfUnit(legs, number, view.segmentBytes)[0]?.name;
      if (name !== undefined && segments.length < segmentsNamed && segments.at(-1) !== name)
        segments.push(name);
    }
  }
  const named = `${segments.join(', ')}${segmentCount > segments.length ? ' and so on' : ''}`;
  const close =
    missing.length === 0
      ? 'no backup leads into it; later points can be recovered, these cannot'
      : `if the server's pg_wal, a standby or another archive still has ${named}, store ${segmentCount === 1 ? 'it' : 'them'} with \`lifeboat wal push FILE\`; otherwise it stays, and the next backup begins a new window`;
  return { start, end, missing, segments, segmentCount, close };
}

/** The windows of each timeline that has any or should have, in the order of their numbers. */
export function recoveryWindows(view: ClusterView): TimelineWindows[] {
  return knownTimelines(view.histories, view.ranges, view.backups).flatMap((timeline): TimelineWindows[] => {
    const legs = legsTo(timeline, view.histories);
    const held = heldAlong(legs, view.ranges);
    const own = legs[legs.length - 1]!;
    const backups = view.backups.filter((backup) => backupObjection(backup, legs) === null);
    const windows = windowsOf(legs, held, backups);
    const heldOwn = held.filter(({ end }) => end > own.start);
    if (windows.length === 0 && heldOwn.length === 0) return [];
    const breaks: Interval[] = [];
    for (const [at, window] of windows.entries()) {
      const next = windows[at + 1];
      if (next) breaks.push({ start: window.end, end: next.start });
    }
    const last = windows[windows.length - 1];
    // Log behind the last window that no backup leads to.
    const stranded = heldOwn.filter(({ end }) => end > (last?.end ?? own.start) && backups.length > 0).pop();
    if (stranded && backups.length > 0) {
      const from = last?.end ?? reachBefore(held, backups);
      if (from < stranded.end) breaks.push({ start: from, end: stranded.end });
    }
    const parent = legs[legs.length - 2];
    return [
      {
        timeline,
        parent: parent && parent.end !== null ? { timeline: parent.timeline, at: parent.end } : null,
        windows,
        gaps: breaks.map((each) => gapBetween(view, legs, held, each)),
      },
    ];
  });
}

/** How far the newest backup of a parent leads towards a timeline whose log it does not reach. */
function reachBefore(held: readonly Interval[], backups: readonly BackupPoint[]): Lsn {
  return backups.map(({ stop }) => reach(held, stop)).reduce((a, b) => (a > b ? a : b));
}

/** A window with its times, as far as the journal tells them; milliseconds since 1970. */
export interface TimedWindow {
  readonly startLsn: string;
  readonly endLsn: string;
  /** The server's clock at the end of the first backup; null where the window begins with its timeline. */
  readonly startMs: number | null;
  /** Until then the log is known to be whole; else the last transaction in it. */
  readonly endMs: number | null;
  readonly backups: readonly Id[];
}

export interface TimedTimeline {
  readonly timeline: Timeline;
  readonly parent: { readonly timeline: Timeline; readonly at: string } | null;
  readonly windows: readonly TimedWindow[];
  readonly gaps: readonly {
    readonly startLsn: string;
    readonly endLsn: string;
    readonly missing: readonly { readonly start: string; readonly end: string }[];
    readonly segments: readonly string[];
    readonly segmentCount: number;
    readonly close: string;
  }[];
}

/** As `recoveryWindows`, with times: reads a few pieces of the journal for each window. Plain JSON. */
export async function timedWindows(view: ClusterView, reader: LogReader): Promise<TimedTimeline[]> {
  const timelines: TimedTimeline[] = [];
  for (const { timeline, parent, windows, gaps: between } of recoveryWindows(view)) {
    const legs = legsTo(timeline, view.histories);
    const timed: TimedWindow[] = [];
    for (const { start, end, backups } of windows) {
      const first = view.backups.find(({ snapshot, stop }) => backups.includes(snapshot) && stop === start);
      const last = view.backups.findLast(({ snapshot }) => backups.includes(snapshot));
      const stretch = { legs, start, end };
      const endMs =
        (await reader.completeUntilMs(stretch)) ??
        (start === end ? null : await reader.lastCommitMs(stretch));
      timed.push({
        startLsn: formatLsn(start),
        endLsn: formatLsn(end),
        startMs: first?.stopMs ?? null,
        endMs: endMs === null ? (last?.stopMs ?? null) : Math.max(endMs, last?.stopMs ?? 0),
        backups,
      });
    }
    timelines.push({
      timeline,
      parent: parent && { timeline: parent.timeline, at: formatLsn(parent.at) },
      windows: timed,
      gaps: between.map(({ start, end, missing, segments, segmentCount, close }) => ({
        startLsn: formatLsn(start),
        endLsn: formatLsn(end),
        missing: missing.map((part) => ({ start: formatLsn(part.start), end: formatLsn(part.end) })),
        segments,
        segmentCount,
        close,
      })),
    });
  }
  return timelines;
}
