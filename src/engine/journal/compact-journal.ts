import type { LifeboatError } from '../../core/errors.ts';
import { compactUnit, planCompaction, type UnitCompaction } from '../../journal/compact.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { listJournal } from '../../journal/list.ts';
import type { JournalStream } from '../../model/journal.ts';
import { unitBytesOf } from './stored-ends.ts';

/** Compaction of all that a source has in one place. */
export interface CompactionPlan {
  readonly place: string;
  readonly streams: readonly {
    readonly stream: JournalStream;
    readonly unitBytes: number;
    readonly units: readonly UnitCompaction[];
  }[];
}

export interface CompactionReport {
  readonly compacted: number;
  /** Units whose pieces could not be put together; they are as they were. */
  readonly left: readonly { readonly unit: string; readonly problems: readonly LifeboatError[] }[];
  readonly objectsBefore: number;
  readonly objectsAfter: number;
}

/** @throws LifeboatError `journal-damaged`, and errors of the storage */
export async function planJournalCompaction(place: JournalPlace, source: string): Promise<CompactionPlan> {
  const streams: CompactionPlan['streams'][number][] = [];
  for (const { stream, pieces } of await listJournal(place, source)) {
    if (pieces.length === 0) continue;
    const { unitBytes } = await unitBytesOf(place, stream, pieces);
    const units = planCompaction(pieces, unitBytes);
    if (units.length > 0) streams.push({ stream, unitBytes, units });
  }
  return { place: place.name, streams };
}

/** @param tell called before each unit. @throws LifeboatError `journal-conflict`, and errors of the storage */
export async function compactJournal(
  place: JournalPlace,
  plan: CompactionPlan,
  signal: AbortSignal,
  tell: (unit: string) => void,
): Promise<CompactionReport> {
  const left: CompactionReport['left'][number][] = [];
  let compacted = 0;
  let objectsBefore = 0;
  let objectsAfter = 0;
  for (const { stream, unitBytes, units } of plan.streams) {
    for (const compaction of units) {
      signal.throwIfAborted();
      tell(compaction.unit);
      const outcome = await compactUnit(place, stream, compaction, unitBytes);
      objectsBefore += compaction.pieces.length;
      if (outcome.status === 'compacted') {
        compacted++;
        objectsAfter++;
      } else {
        objectsAfter += compaction.pieces.length;
        left.push({ unit: compaction.unit, problems: outcome.problems });
      }
    }
  }
  return { compacted, left, objectsBefore, objectsAfter };
}
