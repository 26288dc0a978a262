import { LifeboatError } from '../core/errors.ts';
import type { JournalStream } from '../model/journal.ts';
import { formatLsn, type Lsn, segmentAt, segmentName, type Timeline } from '../model/wal.ts';
import type { JournalPlace } from './envelope.ts';
import type { JournalSink } from './events.ts';
import { loadUnit } from './load-unit.ts';
import { createPlaceLane, type PlaceLane, type Slice } from './place-lane.ts';
import { createSliceBuffer, createSliceMemory, type SliceBuffer } from './slice-buffer.ts';

export interface SliceWriterOptions {
  /** At least one. */
  readonly places: readonly JournalPlace[];
  readonly stream: JournalStream;
  readonly timeline: Timeline;
  /** Everything before is stored already (`durableEnd`), or is not wanted. */
  readonly start: Lsn;
  readonly unitBytes: number;
  /** A slice is sent off when its first byte is this old. */
  readonly maxLagMs: number;
  /** Or when it is this large; default: a whole unit. */
  readonly sliceBytesMax?: number;
  /** Log in memory, sent off or not; `append` waits while there is more. Default: 4 units, at least 64 MiB. */
  readonly bufferedBytesMax?: number;
  /** In how many places log must be stored to count as durable; default: all. */
  readonly required?: number;
  /** Slices that are sealed at once for each place. */
  readonly sealsAhead?: number;
  readonly retryFirstMs?: number;
  readonly retryMostMs?: number;
  /** What the source knows of the commits that end in [from, to). */
  readonly describe?: (
    from: Lsn,
    to: Lsn,
  ) => { readonly firstCommitMs: number | null; readonly lastCommitMs: number | null };
  readonly sink?: JournalSink;
}

export interface SliceWriter {
  /**
   * Takes the next bytes of the log. What lies before `position()` is there already and skipped. The bytes are
   * copied. Resolves at once as long as there is room; one call at a time.
   * @param sentMs the source's clock when it sent them, or null.
   * @throws LifeboatError `internal` where bytes are missing before `lsn`; `journal-conflict` where a place holds
   *   other bytes for this part: nothing more is taken then.
   */
  append(lsn: Lsn, bytes: Uint8Array, facts?: { readonly sentMs: number | null }): Promise<void>;
  /** Where the next byte belongs. */
  position(): Lsn;
  /** Everything before is stored in as many places as required. Never moves backwards. */
  durable(): Lsn;
  /** The same for each place, in the order given. */
  durableIn(): readonly { readonly place: string; readonly durable: Lsn; readonly failing: boolean }[];
  /** Sends off what is held back; resolves when all that was appended is durable. */
  flush(): Promise<void>;
  /** As `flush`, and ends the writer. Waits for as long as a required place fails; `abort` then ends it. */
  close(): Promise<void>;
  /** Ends at once: what is not durable is dropped, and whoever waits is told. Idempotent. */
  abort(): Promise<void>;
}

interface Waiter {
  readonly ready: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const mebibyte = 2 ** 20;

/** Cuts the log of one timeline into slices, none across the boundary of a unit, and stores them in all places. */
export function createSliceWriter(options: SliceWriterOptions): SliceWriter {
  const { places, stream, timeline, unitBytes } = options;
  const required = options.required ?? places.length;
  if (!(required >= 1 && required <= places.length))
    throw new LifeboatError('usage', `a journal of ${places.length} places cannot be durable in ${required}`);
  const sliceBytesMax = Math.min(options.sliceBytesMax ?? unitBytes, unitBytes);
  const bufferedBytesMax = options.bufferedBytesMax ?? Math.max(64 * mebibyte, 4 * unitBytes);
  const sink: JournalSink = options.sink ?? (() => undefined);
  const waiters = new Set<Waiter>();
  const held = new Set<Slice>();
  const memory = createSliceMemory();
  let heldBytes = 0;
  let current: SliceBuffer | null = null;
  let position = options.start;
  let durable = options.start;
  let failure: unknown = null;
  let timer: NodeJS.Timeout | undefined;

  const lanes: readonly PlaceLane[] = places.map((place) =>
    createPlaceLane({
      place,
      stream,
      start: options.start,
      sealsAhead: options.sealsAhead ?? 3,
      retryFirstMs: options.retryFirstMs ?? 500,
      retryMostMs: options.retryMostMs ?? 30_000,
      sink,
      recover,
      onSaved,
      onFatal: stop,
    }),
  );

  function wake(): void {
    for (const waiter of waiters) {
      if (failure === null && !waiter.ready()) continue;
      waiters.delete(waiter);
      if (failure === null) waiter.resolve();
      else waiter.reject(failure);
    }
  }

  function until(ready: () => boolean): Promise<void> {
    if (failure !== null) return Promise.reject(failure);
    if (ready()) return Promise.resolve();
    return new Promise((resolve, reject) => waiters.add({ ready, resolve, reject }));
  }

  function stop(error: unknown): void {
    failure ??= error;
    clearTimeout(timer);
    current = null;
    for (const lane of lanes) void lane.stop();
    wake();
  }

  /** The `required`-th of the places' ends, from the farthest. */
  function commonEnd(): Lsn {
    const ends = lanes.map((lane) => lane.durable()).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
    return ends[required - 1]!;
  }

  function release(slice: Slice): void {
    if (!held.delete(slice)) return;
    heldBytes -= Number(slice.end - slice.start);
    slice.bytes = null;
  }

  function onSaved(slice: Slice): void {
    if (lanes.every((lane) => !lane.pending().includes(slice))) {
      const { bytes } = slice;
      release(slice);
      if (bytes) memory.give(bytes);
    }
    const end = commonEnd();
    if (end > durable) {
      durable = end;
      sink({ kind: 'durable', timeline, durable });
    }
    makeRoom();
    wake();
  }

  /** Lets go of what only places beyond the required ones still want: they get it from another place later. */
  function makeRoom(): void {
    if (heldBytes < bufferedBytesMax) return;
    const stored = [...held].filter(({ end }) => end <= durable);
    for (const slice of stored) release(slice);
    if (stored.length === 0) return;
    for (const lane of lanes) {
      const behind = lane.pending().filter(({ bytes }) => bytes === null);
      const waitingBytes = behind.reduce((sum, { start, end }) => sum + Number(end - start), 0);
      if (behind.length > 0) sink({ kind: 'place-behind', place: lane.place.name, waitingBytes });
    }
  }

  async function recover({ start, end, facts }: Slice): Promise<Uint8Array> {
    const { unit, from } = facts;
    const to = from + Number(end - start);
    for (const lane of lanes) {
      if (lane.durable() < end) continue;
      const loaded = await loadUnit(lane.place, stream, unit, unitBytes, null);
      for (const error of loaded.problems) sink({ kind: 'piece-unusable', place: lane.place.name, error });
      if (loaded.covered.some((part) => part.from <= from && part.to >= to))
        return loaded.bytes.subarray(from, to);
    }
    throw new LifeboatError('journal-damaged', `no place can give bytes ${from} to ${to} of ${unit} again`);
  }

  function cut(): void {
    clearTimeout(timer);
    if (!current) return;
    const { start, arrivedMs, sentMs } = current;
    const bytes = current.take();
    current = null;
    const unit = segmentName(segmentAt(timeline, start, unitBytes), unitBytes);
    const described = options.describe?.(start, position);
    const facts = {
      unit,
      from: Number(start % BigInt(unitBytes)),
      unitBytes,
      firstCommitMs: described?.firstCommitMs ?? null,
      lastCommitMs: described?.lastCommitMs ?? null,
      sentMs,
    };
    const slice: Slice = { start, end: position, facts, arrivedMs, bytes };
    held.add(slice);
    for (const lane of lanes) lane.push(slice);
  }

  function take(bytes: Uint8Array, sentMs: number | null): void {
    for (let at = 0; at < bytes.length; ) {
      if (!current) {
        const toUnitEnd = unitBytes - Number(position % BigInt(unitBytes));
        current = createSliceBuffer(position, Math.min(sliceBytesMax, toUnitEnd), memory);
        timer = setTimeout(cut, options.maxLagMs);
      }
      const taken = current.add(bytes.subarray(at), sentMs);
      at += taken;
      position += BigInt(taken);
      heldBytes += taken;
      if (current.full()) cut();
    }
  }

  async function flush(): Promise<void> {
    if (failure !== null) throw failure;
    cut();
    const end = position;
    await until(() => durable >= end);
  }

  return {
    async append(lsn, bytes, facts) {
      if (failure !== null) throw failure;
      if (lsn > position)
        throw new LifeboatError(
          'internal',
          `the log goes on at ${formatLsn(lsn)}, but ${formatLsn(position)} was expected`,
        );
      const known = position - lsn;
      if (known >= BigInt(bytes.length)) return;
      makeRoom();
      if (heldBytes >= bufferedBytesMax) cut();
      await until(() => heldBytes < bufferedBytesMax);
      take(bytes.subarray(Number(known)), facts?.sentMs ?? null);
    },
    position: () => position,
    durable: () => durable,
    durableIn: () =>
      lanes.map((lane) => ({
        place: lane.place.name,
        durable: lane.durable(),
        failing: lane.failing(),
      })),
    flush,
    async close() {
      await flush();
      // Places beyond the required ones are not waited for where they fail: the next start fills them.
      await until(() => lanes.every((lane) => lane.failing() || lane.pending().length === 0));
      await end('the writer was closed');
    },
    abort: () => end('the writer was ended before all of the log was durable'),
  };

  async function end(why: string): Promise<void> {
    stop(new LifeboatError('cancelled', why));
    await Promise.all(lanes.map((lane) => lane.stop()));
  }
}
