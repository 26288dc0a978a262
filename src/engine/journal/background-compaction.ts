import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../core/errors.ts';
import { compactUnit, planCompaction } from '../../journal/compact.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import type { JournalSink } from '../../journal/events.ts';
import { listPieces, listUnit } from '../../journal/list.ts';
import type { JournalStream } from '../../model/journal.ts';
import type { WalSink } from '../../model/wal-event.ts';

/** Makes whole units of slices while a receiver runs, one after the other with pauses between. */
export interface BackgroundCompaction {
  /** A unit whose last byte is durable. */
  add(unit: string): void;
  /** Ends after the unit that is being compacted. */
  close(): Promise<void>;
}

export interface BackgroundCompactionOptions {
  readonly places: readonly JournalPlace[];
  readonly stream: JournalStream;
  readonly unitBytes: number;
  /** Between two units, so that receiving always comes first. */
  readonly pauseMs: number;
  readonly sink: WalSink;
  readonly journalSink: JournalSink;
}

export function startCompaction(options: BackgroundCompactionOptions): BackgroundCompaction {
  const { places, stream, unitBytes, sink } = options;
  const queue: { readonly place: JournalPlace; readonly unit: string }[] = [];
  /** Places that let nothing go, as append-only ones: there the slices stay as they are. */
  const keepAll = new Set<JournalPlace>();
  const stop = new AbortController();
  let nudge = Promise.withResolvers<void>();

  /** What an earlier run has left. */
  async function findOld(): Promise<void> {
    for (const place of places) {
      if (stop.signal.aborted) return;
      try {
        const plan = planCompaction(await listPieces(place, stream), unitBytes);
        for (const { unit } of plan) queue.push({ place, unit });
      } catch (error) {
        sink({ kind: 'compaction-failed', place: place.name, unit: '', error });
      }
    }
  }

  async function compactOne(place: JournalPlace, unit: string): Promise<void> {
    if (keepAll.has(place)) return;
    try {
      const [plan] = planCompaction(await listUnit(place, stream, unit), unitBytes);
      if (!plan) return;
      const outcome = await compactUnit(place, stream, plan, unitBytes, options.journalSink);
      if (outcome.status === 'left') {
        sink({ kind: 'compaction-failed', place: place.name, unit, error: outcome.problems[0] });
      }
    } catch (error) {
      if (hasCode(error, 'storage-append-only', 'storage-denied')) keepAll.add(place);
      // The slices are all still there; the next start tries again.
      sink({ kind: 'compaction-failed', place: place.name, unit, error });
    }
  }

  async function work(): Promise<void> {
    await findOld();
    while (!stop.signal.aborted) {
      const next = queue.shift();
      if (next) {
        await compactOne(next.place, next.unit);
        await sleep(options.pauseMs, undefined, { signal: stop.signal }).catch(() => undefined);
      } else {
        nudge = Promise.withResolvers<void>();
        await nudge.promise;
      }
    }
  }
  const working = work();

  return {
    add(unit) {
      for (const place of places) if (!keepAll.has(place)) queue.push({ place, unit });
      nudge.resolve();
    },
    async close() {
      stop.abort();
      nudge.resolve();
      await working;
    },
  };
}
