import { hasCode, LifeboatError } from '../core/errors.ts';
import type { JournalStream, Piece, PieceFacts } from '../model/journal.ts';
import type { JournalPlace } from './envelope.ts';
import { pieceKey } from './layout.ts';
import { comparePieces, listUnit, piecesOfUnit } from './list.ts';
import { type LoadedPiece, loadPiece } from './load.ts';

export interface LoadedUnit {
  /** `unitBytes` long; zeros where nothing is stored. */
  readonly bytes: Buffer;
  /** Bytes from 0 up to here are there without a gap. */
  readonly end: number;
  /** Everything that is there, in order, without overlaps. */
  readonly covered: readonly { readonly from: number; readonly to: number }[];
  /** Of the pieces that were read. */
  readonly facts: readonly PieceFacts[];
  /** Why pieces could not be used: each names its object. Others stood in for them where there were any. */
  readonly problems: readonly LifeboatError[];
}

export interface LoadUnitOptions {
  /** Read every piece and compare all that overlap, rather than as few as give the whole. */
  readonly everyPiece?: boolean;
}

/** Compactions remove what was listed; after this many lists what is gone counts as missing. */
const listsMax = 4;

/**
 * Puts a unit together from its pieces. As few as possible are read: the whole one where there is one; where one
 * is damaged, another that covers the same bytes stands in for it.
 * @param pieces as listed; null: they are listed here. Those of other units are ignored.
 * @throws LifeboatError `journal-conflict` where pieces disagree; errors of the storage as they are.
 */
export async function loadUnit(
  place: JournalPlace,
  stream: JournalStream,
  unit: string,
  unitBytes: number,
  pieces: readonly Piece[] | null,
  options: LoadUnitOptions = {},
): Promise<LoadedUnit> {
  const assembly = createAssembly(place, stream, unitBytes, options.everyPiece ?? false);
  let candidates = pieces === null ? await listUnit(place, stream, unit) : piecesOfUnit(pieces, unit);
  for (let lists = 1; ; lists++) {
    const missing = await assembly.add(candidates);
    if (!missing || lists >= listsMax) return assembly.result();
    candidates = await listUnit(place, stream, unit);
  }
}

function createAssembly(place: JournalPlace, stream: JournalStream, unitBytes: number, everyPiece: boolean) {
  let bytes: Buffer | null = null;
  let covered: { from: number; to: number }[] = [];
  const facts: PieceFacts[] = [];
  const problems: LifeboatError[] = [];
  const tried = new Set<string>();
  let usedKey = '';

  /** First byte at or behind `at` that is not there yet. */
  const missingFrom = (at: number): number => covered.find(({ from, to }) => from <= at && at < to)?.to ?? at;
  const isCovered = ({ from, to }: Piece): boolean => missingFrom(from) >= to;

  function put(piece: Piece, loaded: LoadedPiece): void {
    const key = pieceKey(stream, piece);
    if (loaded.facts.unitBytes !== unitBytes)
      throw new LifeboatError(
        'journal-conflict',
        `${key} belongs to a log with segments of ${loaded.facts.unitBytes} bytes, not ${unitBytes}`,
      );
    facts.push(loaded.facts);
    if (piece.from === 0 && piece.to === unitBytes && covered.length === 0) {
      bytes = loaded.bytes;
    } else {
      bytes ??= Buffer.alloc(unitBytes);
      for (const part of covered) {
        const from = Math.max(part.from, piece.from);
        const to = Math.min(part.to, piece.to);
        if (from < to && bytes.compare(loaded.bytes, from - piece.from, to - piece.from, from, to) !== 0)
          throw new LifeboatError(
            'journal-conflict',
            `${key} and ${usedKey} hold different bytes of the same log`,
          );
      }
      loaded.bytes.copy(bytes, piece.from);
    }
    usedKey = key;
    covered = joined([...covered, { from: piece.from, to: piece.to }]);
  }

  /** Returns whether a piece was gone. */
  async function tryPiece(piece: Piece): Promise<boolean> {
    tried.add(pieceKey(stream, piece));
    try {
      put(piece, await loadPiece(place, stream, piece));
      return false;
    } catch (error) {
      if (hasCode(error, 'storage-missing-file')) return true;
      if (!hasCode(error, 'journal-damaged')) throw error;
      problems.push(error);
      return false;
    }
  }

  /** The piece that leads farthest from the first byte that is missing. */
  function nextOf(candidates: readonly Piece[]): Piece | null {
    const open = candidates.filter(
      (piece) => !tried.has(pieceKey(stream, piece)) && (everyPiece || !isCovered(piece)),
    );
    const first = open[0];
    if (!first || everyPiece) return first ?? null;
    const at = missingFrom(first.from);
    return open
      .filter(({ from }) => from <= at)
      .reduce((best, piece) => (piece.to > best.to ? piece : best), first);
  }

  return {
    async add(pieces: readonly Piece[]): Promise<boolean> {
      const candidates = [...pieces].sort(comparePieces);
      let gone = false;
      for (let piece = nextOf(candidates); piece; piece = nextOf(candidates))
        gone = (await tryPiece(piece)) || gone;
      return gone;
    },
    result: (): LoadedUnit => ({
      bytes: bytes ?? Buffer.alloc(unitBytes),
      end: missingFrom(0),
      covered,
      facts,
      problems,
    }),
  };
}

/** Intervals sorted, those that touch or overlap made one. */
function joined(parts: readonly { from: number; to: number }[]): { from: number; to: number }[] {
  const result: { from: number; to: number }[] = [];
  for (const part of [...parts].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last && part.from <= last.to) last.to = Math.max(last.to, part.to);
    else result.push({ ...part });
  }
  return result;
}
