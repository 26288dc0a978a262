import type { JournalStream, Piece } from '../model/journal.ts';
import type { StoredHistory } from './layout.ts';
import { comparePieces, type ListedStream } from './list.ts';

/** What a journal has that its copy lacks, by names alone: nothing is read. */
export interface StreamCopy {
  readonly stream: JournalStream;
  /** Of timelines that the copy has no history of. */
  readonly histories: readonly StoredHistory[];
  /** Oldest first; as few as hold every byte that is missing. */
  readonly pieces: readonly Piece[];
  /** Those of the copy, as listed. */
  readonly there: readonly Piece[];
}

interface Part {
  from: number;
  to: number;
}

/**
 * What to send. Sealing gives the same bytes another hash each time, so a piece is there when its part of the unit is
 * covered, in whatever pieces: log that was compacted in one of the places is not sent again.
 */
export function planJournalCopy(from: readonly ListedStream[], to: readonly ListedStream[]): StreamCopy[] {
  return from.map(({ stream, pieces, histories }): StreamCopy => {
    const copy = to.find((each) => each.stream.stream === stream.stream);
    const there = copy?.pieces ?? [];
    const known = new Set(copy?.histories.map(({ timeline }) => timeline));
    const lacking = histories.filter(({ timeline }) => !known.has(timeline) && known.add(timeline));
    return { stream, histories: lacking, pieces: lackingPieces(pieces, there), there };
  });
}

function lackingPieces(pieces: readonly Piece[], there: readonly Piece[]): Piece[] {
  const units = new Map<string, Part[]>();
  for (const { unit, from, to } of there) units.set(unit, joined(units.get(unit) ?? [], { from, to }));
  const lacking: Piece[] = [];
  for (const piece of [...pieces].sort(comparePieces)) {
    const parts = units.get(piece.unit) ?? [];
    if (parts.some(({ from, to }) => from <= piece.from && piece.to <= to)) continue;
    units.set(piece.unit, joined(parts, piece));
    lacking.push(piece);
  }
  return lacking;
}

/** Parts sorted and apart, with another one added. */
function joined(parts: readonly Part[], { from, to }: Part): Part[] {
  const result: Part[] = [];
  for (const part of [...parts, { from, to }].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last && part.from <= last.to) last.to = Math.max(last.to, part.to);
    else result.push({ ...part });
  }
  return result;
}
