import type { JournalStream, Piece, PieceFacts } from '../model/journal.ts';
import type { JournalPlace } from './envelope.ts';
import { loadFrame } from './frame.ts';
import { pieceKey } from './layout.ts';
import { parseFacts } from './piece-facts.ts';

export interface LoadedPiece {
  readonly facts: PieceFacts;
  /** `to - from` bytes. */
  readonly bytes: Buffer;
}

/**
 * Loads a piece and verifies it: its hash against its name, its tag, its checksum, its facts against its
 * name.
 * @throws LifeboatError `journal-damaged` naming the object; `storage-missing-file` where it is gone, as after a
 *   compaction; other errors of the storage as they are.
 */
export async function loadPiece(
  place: JournalPlace,
  stream: JournalStream,
  piece: Piece,
): Promise<LoadedPiece> {
  const key = pieceKey(stream, piece);
  const { facts, bytes } = await loadFrame(place.storage, place.envelope, key, piece.hash);
  return { facts: parseFacts(facts, bytes, stream, piece, key), bytes };
}
