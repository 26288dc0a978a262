import { hasCode } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import type { Lsn } from '../model/wal.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { folderPrefix } from './layout.ts';
import { listFolder } from './list.ts';
import type { GivenFacts } from './piece-facts.ts';
import { savePiece } from './save.ts';

/** A part of one unit on its way to the places. */
export interface Slice {
  readonly start: Lsn;
  readonly end: Lsn;
  readonly facts: GivenFacts;
  /** When its first byte arrived, performance.now(). */
  readonly arrivedMs: number;
  /** Null once it was let go from memory: it is then copied from a place that has it. */
  bytes: Uint8Array | null;
}

export interface LaneOptions {
  readonly place: JournalPlace;
  readonly stream: JournalStream;
  readonly start: Lsn;
  readonly savesAtOnce: number;
  readonly retryFirstMs: number;
  readonly retryMostMs: number;
  readonly sink: JournalSink;
  /** Bytes of a slice that was let go. Rejects where no place has them now. */
  recover(slice: Slice): Promise<Uint8Array>;
  /** A slice is durable here; `durable()` may have moved. */
  onSaved(slice: Slice): void;
  /** What no repetition mends, such as a conflict. */
  onFatal(error: unknown): void;
}

/**
 * Brings slices into one place, several at once. Failures are told and tried again for as long as it takes, by
 * one save at a time, after delays that double and are scattered.
 */
export interface PlaceLane {
  readonly place: JournalPlace;
  push(slice: Slice): void;
  /** Everything before is stored in this place. */
  durable(): Lsn;
  /** Slices that are not stored here yet, oldest first. */
  pending(): readonly Slice[];
  failing(): boolean;
  /** Gives up what is pending. Saves under way are waited for. */
  stop(): Promise<void>;
}

/** Folders whose listing is remembered: a slice may be tried again when the next folder has begun. */
const foldersKept = 2;

function createKnownPieces(place: JournalPlace, stream: JournalStream) {
  const folders = new Map<string, Promise<Piece[]>>();
  return {
    /** Listed once a folder, since listing it for each slice would cost more than the slices. */
    ofFolder(unit: string): Promise<Piece[]> {
      const prefix = folderPrefix(stream, unit);
      let listed = folders.get(prefix);
      if (!listed) {
        listed = listFolder(place, stream, unit);
        folders.set(prefix, listed);
        listed.catch(() => folders.delete(prefix));
        if (folders.size > foldersKept) folders.delete(folders.keys().next().value!);
      }
      return listed;
    },
    /** What was removed meanwhile, as by a compaction, is found missing when it is needed. */
    async add(piece: Piece): Promise<void> {
      const known = await folders.get(folderPrefix(stream, piece.unit));
      if (known && !known.includes(piece)) known.push(piece);
    },
  };
}

export function createPlaceLane(options: LaneOptions): PlaceLane {
  const { place, stream, sink } = options;
  const known = createKnownPieces(place, stream);
  /** Ascending; those under way are in `running` as well. */
  const pending: Slice[] = [];
  const running = new Map<Slice, Promise<void>>();
  /** Ends by start of what is stored behind a part that is not. */
  const ahead = new Map<Lsn, Lsn>();
  let durable = options.start;
  let stopped = false;
  let failure: { readonly sinceMs: number; attempts: number; failedMs: number } | null = null;
  /** Runs while nothing may be tried. */
  let timer: NodeJS.Timeout | undefined;

  function fail(error: unknown, startedMs: number): void {
    if (stopped) return;
    if (hasCode(error, 'journal-conflict', 'internal')) {
      options.onFatal(error);
      return;
    }
    const nowMs = performance.now();
    failure ??= { sinceMs: nowMs, attempts: 0, failedMs: 0 };
    // Saves that were under way together fail together: that is one failure.
    if (timer !== undefined || startedMs < failure.failedMs) return;
    failure.attempts++;
    failure.failedMs = nowMs;
    const doubled = options.retryFirstMs * 2 ** Math.min(failure.attempts - 1, 20);
    const retryInMs = Math.min(options.retryMostMs, doubled) * (0.5 + Math.random() / 2);
    const waitingBytes = pending.reduce((sum, { start, end }) => sum + Number(end - start), 0);
    sink({
      kind: 'place-failing',
      place: place.name,
      error,
      attempts: failure.attempts,
      failingForMs: nowMs - failure.sinceMs,
      retryInMs,
      waitingBytes,
    });
    timer = setTimeout(() => {
      timer = undefined;
      pump();
    }, retryInMs);
  }

  function succeed(slice: Slice): void {
    if (failure)
      sink({ kind: 'place-recovered', place: place.name, failedForMs: performance.now() - failure.sinceMs });
    failure = null;
    pending.splice(pending.indexOf(slice), 1);
    ahead.set(slice.start, slice.end);
    for (let end = ahead.get(durable); end !== undefined; end = ahead.get(durable)) {
      ahead.delete(durable);
      durable = end;
    }
    options.onSaved(slice);
  }

  async function save(slice: Slice): Promise<void> {
    const startedMs = performance.now();
    try {
      const bytes = slice.bytes ?? (await options.recover(slice));
      const existing = await known.ofFolder(slice.facts.unit);
      const { piece, status } = await savePiece(place, stream, slice.facts, bytes, { existing });
      await known.add(piece);
      sink({
        kind: 'piece-saved',
        place: place.name,
        piece,
        bytes: bytes.length,
        storedBytes: piece.size,
        lagMs: performance.now() - slice.arrivedMs,
        status,
      });
    } catch (error) {
      running.delete(slice);
      fail(error, startedMs);
      return;
    }
    running.delete(slice);
    succeed(slice);
  }

  function pump(): void {
    if (stopped || timer !== undefined) return;
    const atOnce = failure ? 1 : options.savesAtOnce;
    for (const slice of pending) {
      if (running.size >= atOnce) return;
      if (!running.has(slice)) running.set(slice, save(slice).then(pump));
    }
  }

  return {
    place,
    push(slice) {
      pending.push(slice);
      pump();
    },
    durable: () => durable,
    pending: () => pending,
    failing: () => failure !== null,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
