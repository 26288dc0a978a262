import { hasCode } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import type { Lsn } from '../model/wal.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { folderPrefix } from './layout.ts';
import { listFolder } from './list.ts';
import type { GivenFacts } from './piece-facts.ts';
import { type PreparedPiece, preparePiece, storePiece } from './save.ts';

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
  /** How many slices are sealed at once. */
  readonly sealsAhead: number;
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
 * Brings slices into one place. The next ones are sealed ahead, but stored one after the other: whenever the process
 * dies, the place holds the log without a hole. Failures are told and tried again for as long as it takes, after
 * delays that double and are scattered.
 */
export interface PlaceLane {
  readonly place: JournalPlace;
  push(slice: Slice): void;
  /** Everything before is stored in this place. */
  durable(): Lsn;
  /** Slices that are not stored here yet, oldest first. */
  pending(): readonly Slice[];
  failing(): boolean;
  /** Gives up what is pending. A save under way is waited for. */
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
  const ended = new AbortController();
  /** Ascending. */
  const pending: Slice[] = [];
  const prepared = new Map<Slice, Promise<PreparedPiece>>();
  let durable = options.start;
  let running: Promise<void> | null = null;
  let failure: { readonly sinceMs: number; readonly attempts: number } | null = null;

  async function prepare(slice: Slice): Promise<PreparedPiece> {
    const bytes = slice.bytes ?? (await options.recover(slice));
    const existing = await known.ofFolder(slice.facts.unit);
    return preparePiece(place, stream, slice.facts, bytes, { existing });
  }

  function prepareAhead(): void {
    const count = failure ? 1 : options.sealsAhead;
    for (const slice of pending.slice(0, count)) {
      if (prepared.has(slice)) continue;
      const preparing = prepare(slice);
      prepared.set(slice, preparing);
      // Whoever awaits it meets the error; a slice that is given up has nobody who does.
      preparing.catch(() => undefined);
    }
  }

  async function storeNext(slice: Slice): Promise<void> {
    prepareAhead();
    const { piece, status } = await storePiece(place, stream, await prepared.get(slice)!);
    await known.add(piece);
    pending.shift();
    prepared.delete(slice);
    durable = slice.end;
    const nowMs = performance.now();
    if (failure) sink({ kind: 'place-recovered', place: place.name, failedForMs: nowMs - failure.sinceMs });
    failure = null;
    const bytes = Number(slice.end - slice.start);
    const lagMs = nowMs - slice.arrivedMs;
    sink({ kind: 'piece-saved', place: place.name, piece, bytes, storedBytes: piece.size, lagMs, status });
    options.onSaved(slice);
  }

  /** Tells of a failure and how long to wait. */
  function fail(error: unknown): number {
    const nowMs = performance.now();
    failure = { sinceMs: failure?.sinceMs ?? nowMs, attempts: (failure?.attempts ?? 0) + 1 };
    const { attempts, sinceMs } = failure;
    const doubled = options.retryFirstMs * 2 ** Math.min(attempts - 1, 20);
    const retryInMs = Math.min(options.retryMostMs, doubled) * (0.5 + Math.random() / 2);
    const waitingBytes = pending.reduce((sum, { start, end }) => sum + Number(end - start), 0);
    const failingForMs = nowMs - sinceMs;
    sink({
      kind: 'place-failing',
      place: place.name,
      error,
      attempts,
      failingForMs,
      retryInMs,
      waitingBytes,
    });
    return retryInMs;
  }

  async function run(): Promise<void> {
    for (let slice = pending[0]; slice && !ended.signal.aborted; slice = pending[0]) {
      try {
        await storeNext(slice);
      } catch (error) {
        prepared.delete(slice);
        if (ended.signal.aborted) return;
        if (hasCode(error, 'journal-conflict', 'internal')) {
          options.onFatal(error);
          return;
        }
        await sleep(fail(error), ended.signal);
      }
    }
  }

  function start(): void {
    running ??= run().finally(() => {
      running = null;
      if (pending.length > 0 && !ended.signal.aborted) start();
    });
  }

  return {
    place,
    push(slice) {
      pending.push(slice);
      if (running) prepareAhead();
      else start();
    },
    durable: () => durable,
    pending: () => pending,
    failing: () => failure !== null,
    async stop() {
      ended.abort();
      await running;
    },
  };
}

/** Resolves early when the signal is raised. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
