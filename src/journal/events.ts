import type { Piece } from '../model/journal.ts';
import type { Lsn, Timeline } from '../model/wal.ts';

/** What the journal tells while it works. */
export type JournalEvent =
  /** A piece is durable in a place. `bytes` of log became `storedBytes`. */
  | {
      readonly kind: 'piece-saved';
      readonly place: string;
      readonly piece: Piece;
      readonly bytes: number;
      readonly storedBytes: number;
      /** From the first byte's arrival until durable. */
      readonly lagMs: number;
      readonly status: 'saved' | 'already there';
    }
  /** A place refused; the same is tried again after `retryInMs`. */
  | {
      readonly kind: 'place-failing';
      readonly place: string;
      readonly error: unknown;
      /** Failures in a row. */
      readonly attempts: number;
      readonly failingForMs: number;
      readonly retryInMs: number;
      /** Log that waits for this place. */
      readonly waitingBytes: number;
    }
  | { readonly kind: 'place-recovered'; readonly place: string; readonly failedForMs: number }
  /** Other places went on; the bytes were let go from memory and will be copied from them. */
  | { readonly kind: 'place-behind'; readonly place: string; readonly waitingBytes: number }
  /** Everything before `durable` is stored in as many places as required. */
  | { readonly kind: 'durable'; readonly timeline: Timeline; readonly durable: Lsn }
  /** A piece could not be used; another one stands in for it where there is one. */
  | { readonly kind: 'piece-unusable'; readonly place: string; readonly error: unknown }
  | {
      readonly kind: 'unit-compacted';
      readonly place: string;
      readonly unit: string;
      readonly pieces: number;
      readonly bytesBefore: number;
      readonly bytesAfter: number;
    }
  | {
      readonly kind: 'piece-removed';
      readonly place: string;
      readonly piece: Piece;
      readonly reason: string;
    };

export type JournalSink = (event: JournalEvent) => void;
