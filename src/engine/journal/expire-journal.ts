import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import type { JournalSink } from '../../journal/events.ts';
import {
  type ExpiryPlan,
  type ExpiryReport,
  expire,
  type KeepFrom,
  planExpiry,
} from '../../journal/expire.ts';
import { loadHistories } from '../../journal/history.ts';
import { type ListedStream, listJournal, listSources } from '../../journal/list.ts';
import { loadPiece } from '../../journal/load.ts';
import type { JournalStream, Piece } from '../../model/journal.ts';
import { postgresTags, tagValue } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { parseLsn } from '../../model/wal.ts';

/** Which log of a repository no backup needs any more. */

export type TaggedSnapshot = Pick<StoredSnapshot, 'id' | 'tags'>;

export interface StreamExpiry {
  readonly stream: JournalStream;
  readonly plan: ExpiryPlan;
  /** Why everything of the stream is kept although some might go, or null. */
  readonly keptWhole: string | null;
}

export interface JournalExpiryPlan {
  readonly streams: readonly StreamExpiry[];
  readonly removedBytes: number;
}

/**
 * Plans from the tags of snapshots and the names of pieces; of each stream one piece and the histories are read.
 * Changes nothing. Needs an exclusive lock unless the plan is only to be shown: a backup under way is not yet seen.
 * @param snapshots that stay, ALL of them: of this repository, and of others whose backups are to be recovered with
 *   this journal.
 * @throws LifeboatError errors of the storage.
 */
export async function planJournalExpiry(
  place: JournalPlace,
  snapshots: readonly TaggedSnapshot[],
): Promise<JournalExpiryPlan> {
  const streams: StreamExpiry[] = [];
  for (const source of await listSources(place))
    for (const listed of await listJournal(place, source))
      streams.push(await planStream(place, listed, snapshots));
  return { streams, removedBytes: streams.reduce((sum, { plan }) => sum + plan.removedBytes, 0) };
}

async function planStream(
  place: JournalPlace,
  { stream, pieces }: ListedStream,
  snapshots: readonly TaggedSnapshot[],
): Promise<StreamExpiry> {
  const needed = neededPositions(stream, snapshots);
  const keepAll = (why: string): StreamExpiry => ({
    stream,
    plan: planExpiry({ pieces, unitBytes: 1, histories: [], keepFrom: [] }),
    keptWhole: why,
  });
  if (typeof needed === 'string') return keepAll(needed);
  if (needed.length === 0) return keepAll('no backup of it is in the repository');
  const unitBytes = await unitBytesOf(place, stream, pieces);
  if (unitBytes === null) return keepAll('none of its pieces can be read');
  const { histories, problems } = await loadHistories(place, stream);
  const [problem] = problems;
  if (problem) return keepAll(problem.message);
  return { stream, plan: planExpiry({ pieces, unitBytes, histories, keepFrom: needed }), keptWhole: null };
}

/** Where recoveries from the snapshots begin, or why that cannot be said. */
function neededPositions(stream: JournalStream, snapshots: readonly TaggedSnapshot[]): KeepFrom[] | string {
  const positions: KeepFrom[] = [];
  for (const { id, tags } of snapshots) {
    const value = (key: keyof typeof postgresTags): string | null => tagValue(tags, postgresTags[key]);
    if (value('source') !== stream.source || value('kind') === 'postgres-logical') continue;
    const system = value('systemIdentifier');
    if (system !== null && system !== stream.stream) continue;
    const timeline = Number(value('timeline') ?? Number.NaN);
    const lsn = parseLsn(value('start') ?? '');
    if (
      system === null ||
      value('kind') === null ||
      !Number.isInteger(timeline) ||
      timeline < 1 ||
      lsn === null
    )
      return `the tags of snapshot ${id} do not say which log it needs`;
    positions.push({ timeline, lsn });
  }
  return positions;
}

/** The size of a stream's segments, as the facts of any sound piece have it. */
async function unitBytesOf(
  place: JournalPlace,
  stream: JournalStream,
  pieces: readonly Piece[],
): Promise<number | null> {
  // The smallest is read soonest; many damaged ones in a row are tried, but not all of a long journal.
  for (const piece of [...pieces].sort((a, b) => a.size - b.size).slice(0, 16)) {
    try {
      return (await loadPiece(place, stream, piece)).facts.unitBytes;
    } catch (error) {
      if (!hasCode(error, 'journal-damaged', 'storage-missing-file')) throw error;
    }
  }
  return null;
}

/** Removes what the plan says. What was removed stays removed when it is cancelled; run it again to go on. */
export async function expireJournals(
  place: JournalPlace,
  plan: JournalExpiryPlan,
  options: { readonly sink?: JournalSink; readonly signal?: AbortSignal } = {},
): Promise<ExpiryReport> {
  let removed = 0;
  let removedBytes = 0;
  for (const { stream, plan: ofStream } of plan.streams) {
    if (options.signal?.aborted)
      throw new LifeboatError('cancelled', 'the removal of log that is not needed was cancelled');
    const report = await expire(place, stream, ofStream, options);
    removed += report.removed;
    removedBytes += report.removedBytes;
  }
  return { removed, removedBytes };
}
