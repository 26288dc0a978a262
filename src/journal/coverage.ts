import type { Piece } from '../model/journal.ts';
import {
  type Lsn,
  parseSegmentName,
  segmentStart,
  type Timeline,
  type TimelineSwitch,
  type WalRange,
} from '../model/wal.ts';

/** Which parts of the log are there, by names alone: nothing is read. */

/** The part of the log that a piece holds, or null where its unit is no name for segments of this size. */
export function rangeOf(piece: Pick<Piece, 'unit' | 'from' | 'to'>, unitBytes: number): WalRange | null {
  const segment = parseSegmentName(piece.unit, unitBytes);
  if (!segment || piece.to > unitBytes) return null;
  const start = segmentStart(segment, unitBytes);
  return { timeline: segment.timeline, start: start + BigInt(piece.from), end: start + BigInt(piece.to) };
}

function compareRanges(a: WalRange, b: WalRange): number {
  if (a.timeline !== b.timeline) return a.timeline - b.timeline;
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}

/** Sorted, with those joined that touch or overlap. */
export function joinRanges(ranges: readonly WalRange[]): WalRange[] {
  const joined: { timeline: Timeline; start: Lsn; end: Lsn }[] = [];
  for (const range of [...ranges].sort(compareRanges)) {
    const last = joined.at(-1);
    if (last?.timeline === range.timeline && range.start <= last.end) {
      if (range.end > last.end) last.end = range.end;
    } else joined.push({ ...range });
  }
  return joined;
}

/** The parts of the log that the pieces hold without a gap, sorted by timeline and position. */
export function coverageOf(pieces: readonly Piece[], unitBytes: number): WalRange[] {
  return joinRanges(pieces.flatMap((piece) => rangeOf(piece, unitBytes) ?? []));
}

/** What is missing between ranges of the same timeline, as sorted ranges. @param ranges of `coverageOf`. */
export function gapsOf(ranges: readonly WalRange[]): WalRange[] {
  return ranges.flatMap((range, at) => {
    const next = ranges[at + 1];
    return next?.timeline === range.timeline
      ? [{ timeline: range.timeline, start: range.end, end: next.start }]
      : [];
  });
}

/** What is missing in [start, end) of a timeline. */
export function missingIn(wanted: WalRange, ranges: readonly WalRange[]): WalRange[] {
  const { timeline, end } = wanted;
  const missing: WalRange[] = [];
  let at = wanted.start;
  for (const range of ranges) {
    if (range.timeline !== timeline || range.end <= at || range.start >= end) continue;
    if (range.start > at) missing.push({ timeline, start: at, end: range.start });
    at = range.end;
  }
  if (at < end) missing.push({ timeline, start: at, end });
  return missing;
}

/** Where the log that begins before or at `lsn` ends without a gap, or null where the byte before or at it is missing. */
export function contiguousEnd(timeline: Timeline, lsn: Lsn, ranges: readonly WalRange[]): Lsn | null {
  const range = ranges.find((each) => each.timeline === timeline && each.start <= lsn && lsn <= each.end);
  return range?.end ?? null;
}

/** A timeline and the ancestors that its history file names, oldest first. */
export interface TimelineHistory {
  readonly timeline: Timeline;
  readonly switches: readonly TimelineSwitch[];
}
