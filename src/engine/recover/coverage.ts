import type { Lsn, WalRange } from '../../model/wal.ts';
import type { Leg } from './timelines.ts';

/** Which parts of the log along the legs to a timeline are at hand. */

/** From `start` up to, not including, `end`. */
export interface Interval {
  readonly start: Lsn;
  readonly end: Lsn;
}

/** Sorted, with those that touch or overlap joined. */
export function joined(intervals: readonly Interval[]): Interval[] {
  const result: { start: Lsn; end: Lsn }[] = [];
  for (const { start, end } of [...intervals].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = result[result.length - 1];
    if (end <= start) continue;
    if (last && start <= last.end) last.end = end > last.end ? end : last.end;
    else result.push({ start, end });
  }
  return result;
}

/**
 * What is held of the log along `legs`. The segment in which a timeline was left is copied into the new one
 * (XLogFileCopy in xlog.c), so before a fork the later timelines hold that segment's bytes as well.
 */
export function heldAlong(legs: readonly Leg[], ranges: readonly WalRange[]): Interval[] {
  const held: Interval[] = [];
  for (const [place, leg] of legs.entries()) {
    const serving = new Set(legs.slice(place).map(({ timeline }) => timeline));
    for (const range of ranges) {
      if (!serving.has(range.timeline)) continue;
      const start = range.start > leg.start ? range.start : leg.start;
      const end = leg.end !== null && range.end > leg.end ? leg.end : range.end;
      if (start < end) held.push({ start, end });
    }
  }
  return joined(held);
}

/** How far the log is held without a gap from `from` on; `from` itself where nothing follows it. */
export function reach(held: readonly Interval[], from: Lsn): Lsn {
  const interval = held.find(({ start, end }) => start <= from && from < end);
  return interval ? interval.end : from;
}

/** What lies between `from` and `to` and is not held. */
export function gaps(held: readonly Interval[], from: Lsn, to: Lsn): Interval[] {
  const missing: Interval[] = [];
  let at = from;
  for (const { start, end } of held) {
    if (end <= at) continue;
    if (start >= to) break;
    if (start > at) missing.push({ start: at, end: start });
    at = end;
  }
  if (at < to) missing.push({ start: at, end: to });
  return missing;
}
