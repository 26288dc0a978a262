import { hasCode, LifeboatError } from '../../core/errors.ts';
import { heartbeatKey, historyKey, pieceKey } from '../../journal/layout.ts';
import { listJournal } from '../../journal/list.ts';
import { postgresTags, tagValue } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { Repository } from '../../repository/repository.ts';
import { planJournalExpiry } from '../journal/expire-journal.ts';
import { journalPlaces } from '../journal/journal-places.ts';
import type { ExportPlan, JournalObject } from './plan.ts';

export interface JournalsOfSnapshots {
  readonly sources: readonly string[];
  readonly objects: readonly JournalObject[];
}

/**
 * The log that recoveries from these snapshots may need: of their sources, from where the oldest of them begins. What only
 * older snapshots need is left out.
 */
export async function journalsOf(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
): Promise<JournalsOfSnapshots> {
  const sources = new Set(snapshots.flatMap(({ tags }) => tagValue(tags, postgresTags.source) ?? []));
  const held: string[] = [];
  const objects: JournalObject[] = [];
  if (sources.size === 0) return { sources: held, objects };
  const open = journalPlaces([{ name: repository.storage.location, repository }], { threads: 0 });
  const [place] = open.places;
  try {
    const plan = await planJournalExpiry(place!, snapshots);
    for (const source of sources) {
      const streams = await listJournal(place!, source);
      if (streams.length > 0) held.push(source);
      for (const { stream, pieces, histories } of streams) {
        const expiry = plan.streams.find(
          (each) => each.stream.source === source && each.stream.stream === stream.stream,
        );
        const unneeded = new Set(expiry?.plan.remove.map(({ piece }) => pieceKey(stream, piece)));
        for (const piece of pieces) {
          const key = pieceKey(stream, piece);
          if (!unneeded.has(key)) objects.push({ key, size: piece.size });
        }
        for (const history of histories)
          objects.push({ key: historyKey(stream, history), size: history.size });
        const size = await repository.storage.size(heartbeatKey(stream));
        if (size !== null) objects.push({ key: heartbeatKey(stream), size });
      }
    }
  } finally {
    await open.close();
  }
  return { sources: held, objects };
}

/** Rounds of listing anew, where pieces are joined while they are read. */
const roundsMax = 8;

/**
 * Reads the objects one after another. Pieces that went meanwhile were joined into new ones, so then it is found out anew
 * what these snapshots need, and what came since is read as well.
 */
export async function eachJournalObject(
  repository: Repository,
  { snapshots, journal }: Pick<ExportPlan, 'snapshots' | 'journal'>,
  read: (key: string, bytes: Buffer) => Promise<void>,
): Promise<void> {
  const done = new Set<string>();
  let objects = journal;
  for (let round = 0; round < roundsMax; round++) {
    let vanished = false;
    for (const { key } of objects) {
      if (done.has(key)) continue;
      const bytes = await loadIfThere(repository, key);
      if (bytes === null) vanished = true;
      else {
        await read(key, bytes);
        done.add(key);
      }
    }
    if (!vanished) return;
    objects = (await journalsOf(repository, snapshots)).objects;
  }
  throw new LifeboatError('export-failed', 'the journal was compacted again and again while it was read', {
    hint: 'run the command again when `lifeboat wal compact` has ended',
  });
}

async function loadIfThere({ storage }: Repository, key: string): Promise<Buffer | null> {
  try {
    return await storage.load(key);
  } catch (error) {
    if (!hasCode(error, 'storage-missing-file')) throw error;
    return null;
  }
}
