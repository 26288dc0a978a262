import type { Lsn } from '../../model/wal.ts';
import type { Spool } from '../../sources/postgres/recovery/spool.ts';
import type { ClusterLog } from './cluster-log.ts';
import { composeUnit, namesOfUnit } from './log-units.ts';
import type { Leg } from './timelines.ts';

/** Brings the log to a server in recovery: segments are fetched ahead of it, several at once, into its spool. */

export interface FeedOptions {
  readonly log: ClusterLog;
  readonly legs: readonly Leg[];
  /** The backup itself has the log up to here. */
  readonly from: Lsn;
  /** Nothing behind this is given. */
  readonly limit: Lsn;
  readonly spool: Spool;
  /** The backup's own copy of the segment with that number, or null. */
  readonly own: (number: bigint) => Buffer | null;
  /** Segments that may lie in the spool untaken; null: all of them. */
  readonly aheadUnits: number | null;
  readonly signal: AbortSignal;
}

export interface FeedProgress {
  readonly units: number;
  readonly published: number;
  readonly taken: number;
  readonly bytes: number;
}

export interface Feed {
  progress(): FeedProgress;
  /** Resolves when all of it is in the spool, or it was stopped. @throws what kept a segment from being there. */
  readonly done: Promise<void>;
  stop(): void;
  /** Segments announced that nobody took. */
  untaken(): string[];
}

const unitsAtOnce = 3;
const lookIntervalMs = 10;

/** Numbers of the segments that hold [from, limit). */
export function unitsOf(from: Lsn, limit: Lsn, segmentBytes: number): { first: bigint; count: number } {
  const unit = BigInt(segmentBytes);
  const first = from / unit;
  return { first, count: limit <= from ? 0 : Number((limit - 1n) / unit - first) + 1 };
}

export function startFeed(options: FeedOptions): Feed {
  const { log, legs, from, limit, spool, own, aheadUnits, signal } = options;
  const { segmentBytes } = log.view;
  const { first, count } = unitsOf(from, limit, segmentBytes);
  const numbers = Array.from({ length: count }, (_, n) => first + BigInt(n));
  const nameOf = (number: bigint): string => namesOfUnit(legs, number, segmentBytes)[0]!.name;
  const names = numbers.map(nameOf);
  let next = 0;
  let published = 0;
  let bytes = 0;
  let stopped = false;

  for (const [timeline, content] of log.historyFiles)
    spool.addHistory(`${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`, content);
  spool.announce(names);

  async function room(place: number): Promise<void> {
    if (aheadUnits === null) return;
    // Those before this one that are not published are on their way, too.
    while (!stopped && place - (published - spool.ready().length) >= aheadUnits) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, lookIntervalMs));
    }
  }

  async function work(): Promise<void> {
    while (next < count && !stopped) {
      const place = next++;
      await room(place);
      if (stopped) return;
      signal.throwIfAborted();
      const number = numbers[place]!;
      const start = number * BigInt(segmentBytes);
      const needFrom = from > start ? Number(from - start) : 0;
      const unit = await composeUnit(log, legs, number, limit, needFrom > 0 ? own(number) : null, needFrom);
      await spool.publish(unit.name, unit.bytes);
      published++;
      bytes += unit.bytes.length;
    }
  }

  async function run(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: Math.min(unitsAtOnce, count) }, work));
    } catch (error) {
      stopped = true;
      throw error;
    }
  }

  const done = run();
  done.catch(() => undefined); // told where it is awaited
  return {
    progress: () => ({ units: count, published, taken: published - spool.ready().length, bytes }),
    done,
    stop() {
      stopped = true;
    },
    untaken: () => (published < count ? [...names.slice(published), ...spool.ready()] : spool.ready()),
  };
}
