import { hasCode } from '../../core/errors.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import type { KnownSource } from '../../model/known-repository.ts';
import { postgresTags, tagValue } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { compareTimes } from '../../model/time.ts';
import { type StoredEnd, storedEnds } from '../journal/stored-ends.ts';

/** A source as it is named, and whether its log is kept. */
export interface ScannedSource {
  readonly name: string;
  readonly journaled: boolean;
}

/** Whether a snapshot was made of a source of the configuration. */
export function isOfSource({ tags }: Pick<StoredSnapshot, 'tags'>, source: string): boolean {
  return tagValue(tags, postgresTags.source) === source;
}

export function newestOf(snapshots: readonly StoredSnapshot[], source: string): StoredSnapshot | null {
  return snapshots
    .filter((each) => isOfSource(each, source))
    .reduce<StoredSnapshot | null>(
      (newest, each) => (newest === null || compareTimes(each.time, newest.time) > 0 ? each : newest),
      null,
    );
}

/**
 * What a repository holds of each source: counted by tags of its snapshots and names of the journal's pieces, of which
 * the newest of each stream is read.
 * @throws LifeboatError errors of the storage.
 */
export async function scanSources(
  snapshots: readonly StoredSnapshot[],
  journal: JournalPlace,
  sources: readonly ScannedSource[],
): Promise<Record<string, KnownSource>> {
  const found: Record<string, KnownSource> = {};
  for (const { name, journaled } of sources) {
    const ends = journaled ? await readableEnds(journal, name) : [];
    const untilMs = Math.max(...ends.map(({ newestMs }) => newestMs ?? Number.NEGATIVE_INFINITY));
    found[name] = {
      snapshots: snapshots.filter((each) => isOfSource(each, name)).length,
      newest: newestOf(snapshots, name)?.time ?? null,
      journalUntil: Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : null,
    };
  }
  return found;
}

/** Where the newest piece is damaged nobody knows until when the log reaches. */
async function readableEnds(journal: JournalPlace, source: string): Promise<StoredEnd[]> {
  try {
    return await storedEnds(journal, source);
  } catch (error) {
    if (!hasCode(error, 'journal-damaged')) throw error;
    return [];
  }
}
