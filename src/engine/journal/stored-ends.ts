import { coverageOf, gapsOf } from '../../journal/coverage.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { loadHeartbeat, quietUntilMs } from '../../journal/heartbeat.ts';
import { listJournal } from '../../journal/list.ts';
import { loadPiece } from '../../journal/load.ts';
import type { JournalStream, Piece } from '../../model/journal.ts';
import type { Lsn, Timeline } from '../../model/wal.ts';

/** How far each cluster's log is stored in a place. */
export interface StoredEnd {
  readonly place: string;
  readonly stream: string;
  readonly timeline: Timeline;
  readonly end: Lsn;
  /** Parts that are missing between what is stored, on all timelines. */
  readonly gaps: number;
  /** The source's clock of the last commit that is stored, or of when its log was last known to have ended. */
  readonly newestMs: number | null;
}

/** The bytes of a unit, as the facts of its newest sound piece say. @throws LifeboatError where none can be read */
export async function unitBytesOf(
  place: JournalPlace,
  stream: JournalStream,
  pieces: readonly Piece[],
): Promise<{ readonly unitBytes: number; readonly newestMs: number | null }> {
  const { facts } = await loadPiece(place, stream, pieces.at(-1)!);
  const times = [facts.lastCommitMs, facts.sentMs].filter((time) => time !== null);
  return { unitBytes: facts.unitBytes, newestMs: times.length > 0 ? Math.max(...times) : null };
}

/** @throws LifeboatError `journal-damaged`, and errors of the storage */
export async function storedEnds(place: JournalPlace, source: string): Promise<StoredEnd[]> {
  const ends: StoredEnd[] = [];
  for (const { stream, pieces } of await listJournal(place, source)) {
    if (pieces.length === 0) continue;
    const { unitBytes, newestMs } = await unitBytesOf(place, stream, pieces);
    const ranges = coverageOf(pieces, unitBytes);
    const last = ranges.at(-1)!;
    const beat = await loadHeartbeat(place, stream);
    const quietMs = beat && quietUntilMs([beat], last.timeline, last.end);
    ends.push({
      place: place.name,
      stream: stream.stream,
      timeline: last.timeline,
      end: last.end,
      gaps: gapsOf(ranges).length,
      newestMs: quietMs === null ? newestMs : Math.max(quietMs, newestMs ?? 0),
    });
  }
  return ends;
}
