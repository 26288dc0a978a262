import {
  type Lsn,
  segmentAt,
  segmentStart,
  type Timeline,
  type TimelineSwitch,
  type WalRange,
} from '../../../model/wal.ts';

/** Where receiving begins: a pure decision from what is stored and what the server says. */

export interface StartPoint {
  readonly timeline: Timeline;
  readonly start: Lsn;
}

/** The server's timeline and how it came to be, of its history file. */
export interface ServerTimeline {
  readonly timeline: Timeline;
  readonly switches: readonly TimelineSwitch[];
}

export const startOfSegment = (lsn: Lsn, unitBytes: number): Lsn =>
  segmentStart(segmentAt(1, lsn, unitBytes), unitBytes);

/**
 * The point behind what is there, on the newest timeline of the server's history of which anything is there.
 * Where that timeline was left at or before the end of what is there, the next one is taken from the beginning
 * of the segment in which it was left, so that each timeline's segments are whole.
 * @returns null where nothing of the server's history is there.
 */
export function continueAfter(
  ranges: readonly WalRange[],
  server: ServerTimeline,
  unitBytes: number,
): StartPoint | null {
  let next = server.timeline;
  let left: Lsn | null = null;
  for (const step of [{ timeline: server.timeline, end: null }, ...[...server.switches].reverse()]) {
    if (step.end !== null) left = step.end;
    const end = ranges.filter(({ timeline }) => timeline === step.timeline).at(-1)?.end;
    if (end !== undefined) {
      return left !== null && end >= left
        ? { timeline: next, start: startOfSegment(left, unitBytes) }
        : { timeline: step.timeline, start: end };
    }
    next = step.timeline;
  }
  return null;
}

/** The timeline that a position belongs to. */
export function timelineAt(lsn: Lsn, server: ServerTimeline): Timeline {
  return server.switches.find(({ end }) => lsn < end)?.timeline ?? server.timeline;
}

/** The first of several in the log's order. */
export function earliest(points: readonly StartPoint[]): StartPoint | null {
  return points.reduce<StartPoint | null>((first, point) => {
    if (first === null || point.timeline < first.timeline) return point;
    return point.timeline === first.timeline && point.start < first.start ? point : first;
  }, null);
}

/** The newest timeline of which anything is there that is not in the server's history and newer than it, or null. */
export function newerTimeline(ranges: readonly WalRange[], server: ServerTimeline): Timeline | null {
  const newest = Math.max(0, ...ranges.map(({ timeline }) => timeline));
  return newest > server.timeline ? newest : null;
}
