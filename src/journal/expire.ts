import type { JournalStream, Piece } from '../model/journal.ts';
import { formatLsn, type Lsn, type Timeline } from '../model/wal.ts';
import { removePiece } from './compact.ts';
import { rangeOf, type TimelineHistory } from './coverage.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';

/** The oldest position from which a recovery may begin on a timeline, such as the start of the oldest backup kept. */
export interface KeepFrom {
  readonly timeline: Timeline;
  readonly lsn: Lsn;
}

export interface ExpiryInput {
  /** Of one stream in one place. */
  readonly pieces: readonly Piece[];
  readonly unitBytes: number;
  readonly histories: readonly TimelineHistory[];
  /** Empty: nothing is known to be needed, so nothing is removed. */
  readonly keepFrom: readonly KeepFrom[];
}

export interface ExpiringPiece {
  readonly piece: Piece;
  readonly reason: string;
}

export interface ExpiryPlan {
  /** In the order of removal: oldest first, so that a kill leaves no gap before what is kept. */
  readonly remove: readonly ExpiringPiece[];
  readonly kept: number;
  readonly keptBytes: number;
  readonly removedBytes: number;
}

/** From which position a timeline is needed: all of it, from a position, or none of it. */
type Need = { readonly from: 'start' } | { readonly from: Lsn } | { readonly from: 'never' };

/**
 * Which pieces no recovery needs any more. A piece goes only where its whole unit ends at or before the oldest
 * needed position of its timeline, or where no needed position can lead to its timeline.
 */
export function planExpiry(input: ExpiryInput): ExpiryPlan {
  const { pieces, unitBytes, histories, keepFrom } = input;
  const remove: (ExpiringPiece & { readonly timeline: Timeline; readonly start: Lsn })[] = [];
  let kept = 0;
  let keptBytes = 0;
  const needs = new Map<Timeline, Need>();
  const needOf = (timeline: Timeline): Need => {
    const need = needs.get(timeline) ?? needOfTimeline(timeline, keepFrom, histories);
    needs.set(timeline, need);
    return need;
  };
  for (const piece of pieces) {
    const unit = rangeOf({ unit: piece.unit, from: 0, to: unitBytes }, unitBytes);
    const reason = unit && reasonToRemove(unit.end, needOf(unit.timeline), unit.timeline);
    if (unit && reason !== null) {
      remove.push({ piece, reason, timeline: unit.timeline, start: unit.start + BigInt(piece.from) });
    } else {
      kept++;
      keptBytes += piece.size;
    }
  }
  remove.sort((a, b) => a.timeline - b.timeline || (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  return {
    remove: remove.map(({ piece, reason }) => ({ piece, reason })),
    kept,
    keptBytes,
    removedBytes: remove.reduce((sum, { piece }) => sum + piece.size, 0),
  };
}

function reasonToRemove(unitEnd: Lsn, { from }: Need, timeline: Timeline): string | null {
  if (from === 'start') return null;
  if (from === 'never') return `no backup that is kept can be recovered onto timeline ${timeline}`;
  return unitEnd <= from
    ? `ends before ${formatLsn(from)}, where the oldest backup that is kept begins`
    : null;
}

function needOfTimeline(
  timeline: Timeline,
  keepFrom: readonly KeepFrom[],
  histories: readonly TimelineHistory[],
): Need {
  if (keepFrom.length === 0) return { from: 'start' };
  const switchesOf = (of: Timeline) => histories.find((each) => each.timeline === of)?.switches ?? null;
  const ancestors = switchesOf(timeline);
  // Without its history nobody knows where a timeline came from.
  if (ancestors === null && keepFrom.some((kept) => kept.timeline < timeline)) return { from: 'start' };
  const needed: Lsn[] = [];
  for (const kept of keepFrom) {
    if (kept.timeline === timeline) needed.push(kept.lsn);
    // A later timeline that a recovery from here can follow is needed as a whole.
    else if (ancestors?.some((each) => each.timeline === kept.timeline && kept.lsn <= each.end))
      return { from: 'start' };
    else if (kept.timeline > timeline) {
      // A backup that began before its server changed to its timeline needs the end of the one before.
      const own = switchesOf(kept.timeline);
      if (own === null) return { from: 'start' };
      const left = own.find((each) => each.timeline === timeline);
      if (left && kept.lsn < left.end) needed.push(kept.lsn);
    }
  }
  if (needed.length === 0) {
    // The newest timeline may be the one that a server writes now, with its first backup still to come.
    return keepFrom.some((kept) => kept.timeline > timeline) ? { from: 'never' } : { from: 'start' };
  }
  return { from: needed.reduce((a, b) => (a < b ? a : b)) };
}

export interface ExpiryReport {
  readonly removed: number;
  readonly removedBytes: number;
}

/** Removes what the plan says, in its order. What is gone already is passed over. */
export async function expire(
  place: JournalPlace,
  stream: JournalStream,
  plan: ExpiryPlan,
  options: { readonly sink?: JournalSink; readonly signal?: AbortSignal } = {},
): Promise<ExpiryReport> {
  let removed = 0;
  let removedBytes = 0;
  for (const { piece, reason } of plan.remove) {
    options.signal?.throwIfAborted();
    if (!(await removePiece(place, stream, piece))) continue;
    removed++;
    removedBytes += piece.size;
    options.sink?.({ kind: 'piece-removed', place: place.name, piece, reason });
  }
  return { removed, removedBytes };
}
