import { hasCode, type LifeboatError } from '../core/errors.ts';
import type { JournalStream, Piece, PieceFacts } from '../model/journal.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { loadStored } from './frame.ts';
import { pieceKey } from './layout.ts';
import { comparePieces } from './list.ts';
import { loadUnit } from './load-unit.ts';
import { savePiece } from './save.ts';

/** A unit that several pieces hold and one can. */
export interface UnitCompaction {
  readonly unit: string;
  /** All of the unit's pieces, sorted. */
  readonly pieces: readonly Piece[];
  /** How far the unit is there without a gap from 0: `unitBytes`, or less where only parts are merged. */
  readonly end: number;
  readonly bytes: number;
}

export interface CompactionOptions {
  /**
   * Units that are not complete are merged as well once they consist of more pieces than this; default: never.
   * Of use for servers that write so little that a unit takes days.
   */
  readonly partsMax?: number;
}

/** What there is to compact, oldest first. Changes nothing. @param pieces of one stream, as listed. */
export function planCompaction(
  pieces: readonly Piece[],
  unitBytes: number,
  options: CompactionOptions = {},
): UnitCompaction[] {
  const units = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const unit = units.get(piece.unit) ?? [];
    units.set(piece.unit, unit);
    unit.push(piece);
  }
  const plan: UnitCompaction[] = [];
  for (const [unit, parts] of units) {
    parts.sort(comparePieces);
    const end = parts.reduce((at, { from, to }) => (from <= at && to > at ? to : at), 0);
    const complete = end === unitBytes && parts.length > 1;
    const many = end > 0 && parts.filter(({ to }) => to <= end).length > (options.partsMax ?? Infinity);
    if (complete || many)
      plan.push({ unit, pieces: parts, end, bytes: parts.reduce((sum, { size }) => sum + size, 0) });
  }
  return plan.sort((a, b) => (a.unit < b.unit ? -1 : 1));
}

/** `compacted`: one piece holds the unit now. `left`: the pieces could not be put together; all are still there. */
export type CompactionOutcome =
  | { readonly status: 'compacted'; readonly piece: Piece; readonly removed: readonly Piece[] }
  | { readonly status: 'left'; readonly problems: readonly LifeboatError[] };

/**
 * Puts the pieces of a unit into one. The parts are removed only after the whole has been stored and read back, so
 * that every byte can be loaded at any instant; run again after a kill, it goes on where it was.
 *
 * All pieces are read and compared, so a conflict between them is found before anything changes. A damaged piece
 * whose bytes the others hold as well goes with the rest.
 * @throws LifeboatError `journal-conflict`; errors of the storage as they are.
 */
export async function compactUnit(
  place: JournalPlace,
  stream: JournalStream,
  compaction: UnitCompaction,
  unitBytes: number,
  sink: JournalSink = () => undefined,
): Promise<CompactionOutcome> {
  const { unit, pieces, end } = compaction;
  const loaded = await loadUnit(place, stream, unit, unitBytes, pieces, { everyPiece: true });
  for (const error of loaded.problems) sink({ kind: 'piece-unusable', place: place.name, error });
  if (loaded.end < end) return { status: 'left', problems: loaded.problems };

  const bytes = loaded.bytes.subarray(0, end);
  const whole = await wholePiece(place, stream, pieces, mergeFacts(loaded.facts), bytes);
  // What was sealed has been opened and compared, so the same bytes read back are as good.
  await loadStored(place.storage, pieceKey(stream, whole), whole.hash);

  const removed: Piece[] = [];
  for (const piece of pieces) {
    if (piece.hash === whole.hash || piece.to > end) continue;
    if (await removePiece(place, stream, piece)) removed.push(piece);
  }
  sink({
    kind: 'unit-compacted',
    place: place.name,
    unit,
    pieces: pieces.length,
    bytesBefore: compaction.bytes,
    bytesAfter: whole.size,
  });
  return { status: 'compacted', piece: whole, removed };
}

/** The sound piece that already holds all, as after a kill, or a new one. */
async function wholePiece(
  place: JournalPlace,
  stream: JournalStream,
  pieces: readonly Piece[],
  facts: PieceFacts,
  bytes: Uint8Array,
): Promise<Piece> {
  const existing = pieces.filter(({ from, to }) => from === 0 && to === bytes.length);
  const saved = await savePiece(place, stream, { ...facts, from: 0 }, bytes, { existing });
  return saved.piece;
}

/** @returns false where it was gone already: someone else compacts as well. */
export async function removePiece(
  place: JournalPlace,
  stream: JournalStream,
  piece: Piece,
): Promise<boolean> {
  try {
    await place.storage.remove(pieceKey(stream, piece));
    return true;
  } catch (error) {
    if (hasCode(error, 'storage-missing-file')) return false;
    throw error;
  }
}

/** Facts of the whole from those of its parts: the first and last commits, the latest times. */
function mergeFacts(parts: readonly PieceFacts[]): PieceFacts {
  const times = (pick: (facts: PieceFacts) => number | null): number[] =>
    parts.flatMap((facts) => pick(facts) ?? []);
  const first = times(({ firstCommitMs }) => firstCommitMs);
  const last = times(({ lastCommitMs }) => lastCommitMs);
  const farthest = parts.reduce((a, b) => (b.to > a.to ? b : a));
  return {
    ...farthest,
    firstCommitMs: first.length > 0 ? Math.min(...first) : null,
    lastCommitMs: last.length > 0 ? Math.max(...last) : null,
    // The log was durable when its last part was; compaction does not make it any newer.
    storedAt: farthest.storedAt,
  };
}
