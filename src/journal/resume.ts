import { hasCode } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import type { Lsn, Timeline } from '../model/wal.ts';
import { contiguousEnd, coverageOf, missingIn, rangeOf } from './coverage.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { listPieces } from './list.ts';
import { loadPiece } from './load.ts';
import { savePiece } from './save.ts';

/** Where a journal is to be continued, and how a place that is behind catches up. */

/**
 * Where a place is to be continued on a timeline: the end of the log that it holds without a gap from `since` on, or
 * `since` itself where it does not hold that.
 * @param since what the server still has, such as the slot's restart position: whatever is missing behind it can
 *   still be had. null: the newest part counts, and gaps before it are left.
 * @returns null where `since` is null and the place holds nothing of the timeline.
 */
export async function durableEnd(
  place: JournalPlace,
  stream: JournalStream,
  timeline: Timeline,
  unitBytes: number,
  since: Lsn | null,
): Promise<Lsn | null> {
  const ranges = coverageOf(await listPieces(place, stream, { timeline }), unitBytes);
  if (since === null) return ranges.at(-1)?.end ?? null;
  return contiguousEnd(timeline, since, ranges) ?? since;
}

export interface FillOptions {
  readonly unitBytes: number;
  readonly timeline?: Timeline;
  /** What ends at or before this position is not copied. */
  readonly from?: Lsn;
  readonly sink?: JournalSink;
  readonly signal?: AbortSignal;
}

export interface FillReport {
  readonly pieces: number;
  readonly bytes: number;
}

/** Pieces of another place that hold bytes which a place does not have, in order. */
export function planFill(
  pieces: readonly Piece[],
  otherPieces: readonly Piece[],
  unitBytes: number,
  from: Lsn = 0n,
): Piece[] {
  const covered = coverageOf(pieces, unitBytes);
  return otherPieces.filter((piece) => {
    const range = rangeOf(piece, unitBytes);
    return range !== null && range.end > from && missingIn(range, covered).length > 0;
  });
}

/**
 * Copies what a place lacks from another one, sealed anew with its own key, oldest first. What the other one cannot
 * give is told and left out.
 * @throws LifeboatError `journal-conflict` where the places hold different bytes.
 */
export async function fillFrom(
  place: JournalPlace,
  other: JournalPlace,
  stream: JournalStream,
  options: FillOptions,
): Promise<FillReport> {
  const { unitBytes, timeline, from, signal } = options;
  const within = timeline === undefined ? {} : { timeline };
  const [existing, offered] = await Promise.all([
    listPieces(place, stream, within),
    listPieces(other, stream, within),
  ]);
  let pieces = 0;
  let bytes = 0;
  for (const piece of planFill(existing, offered, unitBytes, from)) {
    signal?.throwIfAborted();
    // A whole piece may have come in just before and hold this part.
    const range = rangeOf(piece, unitBytes)!;
    if (
      missingIn(
        range,
        coverageOf(
          existing.filter(({ unit }) => unit === piece.unit),
          unitBytes,
        ),
      ).length === 0
    )
      continue;
    try {
      const loaded = await loadPiece(other, stream, piece);
      const { storedAt: _, ...facts } = loaded.facts;
      const saved = await savePiece(place, stream, facts, loaded.bytes, { existing });
      existing.push(saved.piece);
      pieces++;
      bytes += loaded.bytes.length;
    } catch (error) {
      if (!hasCode(error, 'journal-damaged', 'storage-missing-file')) throw error;
      options.sink?.({ kind: 'piece-unusable', place: other.name, error });
    }
  }
  return { pieces, bytes };
}

/**
 * Where to continue in all places at once: those that are behind are filled from the one that is ahead as far as it
 * can give; what is still missing somewhere has to come from the server again.
 * @param since as of `durableEnd`.
 * @returns null where no place holds anything and `since` is null.
 */
export async function resumePosition(
  places: readonly JournalPlace[],
  stream: JournalStream,
  timeline: Timeline,
  since: Lsn | null,
  options: Pick<FillOptions, 'unitBytes' | 'sink' | 'signal'>,
): Promise<Lsn | null> {
  const endOf = (place: JournalPlace) => durableEnd(place, stream, timeline, options.unitBytes, since);
  const ends = await Promise.all(places.map(endOf));
  const farthest = ends.reduce<Lsn | null>((a, b) => (b !== null && (a === null || b > a) ? b : a), null);
  if (farthest === null) return null;
  const ahead = places[ends.indexOf(farthest)]!;
  let common = farthest;
  for (const [at, place] of places.entries()) {
    if (ends[at] === farthest) continue;
    const from = ends[at] ?? since ?? 0n;
    await fillFrom(place, ahead, stream, { ...options, timeline, from });
    const end = (await endOf(place)) ?? from;
    if (end < common) common = end;
  }
  return common;
}
