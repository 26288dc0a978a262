import { hasCode, LifeboatError } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import type { JournalPlace } from './envelope.ts';
import { sealFrame } from './frame.ts';
import { pieceKey } from './layout.ts';
import { listUnit, piecesOfUnit } from './list.ts';
import { type LoadedPiece, loadPiece } from './load.ts';
import { completeFacts, type GivenFacts } from './piece-facts.ts';

export interface SavedPiece {
  readonly piece: Piece;
  /** `already there`: a piece with these bytes was stored before, and nothing was written. */
  readonly status: 'saved' | 'already there';
}

export interface SaveOptions {
  /** Pieces of this unit that may be there, where the caller knows; otherwise they are listed. */
  readonly existing?: readonly Piece[];
}

/** Checked and sealed, to be stored when its turn comes. */
export interface PreparedPiece {
  readonly piece: Piece;
  /** `already there`: nothing is to be written. */
  readonly status: SavedPiece['status'];
  /** Null where nothing is to be written. */
  readonly stored: Uint8Array | null;
}

/**
 * Checks a piece against what is stored, and seals it. Writes nothing.
 * @throws LifeboatError `journal-conflict` where other bytes are stored for a part of it.
 */
export async function preparePiece(
  place: JournalPlace,
  stream: JournalStream,
  given: GivenFacts,
  bytes: Uint8Array,
  options: SaveOptions = {},
): Promise<PreparedPiece> {
  const facts = completeFacts(stream, given, bytes);
  const { unit, from, to } = facts;
  const existing = options.existing ?? (await listUnit(place, stream, unit));
  for (const piece of piecesOfUnit(existing, unit)) {
    if (piece.from >= to || piece.to <= from) continue;
    const loaded = await loadIfSound(place, stream, piece);
    if (!loaded) continue;
    checkAgreement(place, stream, piece, loaded, from, bytes, facts.unitBytes);
    if (piece.from <= from && piece.to >= to) return { piece, status: 'already there', stored: null };
  }
  const { stored, hash } = await sealFrame(place.envelope, facts, bytes);
  return { piece: { unit, from, to, hash, size: stored.length }, status: 'saved', stored };
}

/** Stores a prepared piece durably. May be tried again after a failure. */
export async function storePiece(
  place: JournalPlace,
  stream: JournalStream,
  { piece, status, stored }: PreparedPiece,
): Promise<SavedPiece> {
  if (stored) await place.storage.save(pieceKey(stream, piece), [stored]);
  return { piece, status };
}

/**
 * Stores a piece durably. Saving the same again changes nothing; stored bytes of the same part of the log, in
 * whatever pieces, must be the same.
 * @throws LifeboatError `journal-conflict` where other bytes are stored for a part of it; nothing is written then.
 */
export async function savePiece(
  place: JournalPlace,
  stream: JournalStream,
  given: GivenFacts,
  bytes: Uint8Array,
  options: SaveOptions = {},
): Promise<SavedPiece> {
  return storePiece(place, stream, await preparePiece(place, stream, given, bytes, options));
}

/** Null for what is damaged or was removed meanwhile: neither stands in the way of storing the bytes again. */
async function loadIfSound(
  place: JournalPlace,
  stream: JournalStream,
  piece: Piece,
): Promise<LoadedPiece | null> {
  try {
    return await loadPiece(place, stream, piece);
  } catch (error) {
    if (hasCode(error, 'journal-damaged', 'storage-missing-file')) return null;
    throw error;
  }
}

function checkAgreement(
  place: JournalPlace,
  stream: JournalStream,
  piece: Piece,
  loaded: LoadedPiece,
  from: number,
  bytes: Uint8Array,
  unitBytes: number,
): void {
  const start = Math.max(from, piece.from);
  const end = Math.min(from + bytes.length, piece.to);
  const stored = loaded.bytes.subarray(start - piece.from, end - piece.from);
  const same =
    loaded.facts.unitBytes === unitBytes &&
    Buffer.compare(stored, bytes.subarray(start - from, end - from)) === 0;
  if (!same)
    throw new LifeboatError(
      'journal-conflict',
      `${place.name} already holds other bytes for the log segment ${piece.unit}, in ${pieceKey(stream, piece)}`,
    );
}
