import { hasCode } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import type { Lsn, Timeline } from '../model/wal.ts';
import { coverageOf, missingIn, rangeOf } from './coverage.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { listPieces } from './list.ts';
import { loadPiece } from './load.ts';
import { savePiece } from './save.ts';

/** Where a journal is to be continued, and how a place that is behind catches up. */

/** Where the newest part of a timeline that a place holds without a gap ends; null where it holds none. */
export async function durableEnd(
  place: JournalPlace,
  stream: JournalStream,
  timeline: Timeline,
  unitBytes: number,
): Promise<Lsn | null> {
  const ranges = coverageOf(await listPieces(place, stream, { timeline }), unitBytes);
  return ranges.at(-1)?.end ?? null;
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
