import { hasCode } from '../../core/errors.ts';
import { heartbeatKey, historyKey, pieceKey, sourcePrefix } from '../../journal/layout.ts';
import { listJournal } from '../../journal/list.ts';
import { postgresTags, tagValue } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { Repository } from '../../repository/repository.ts';
import { planJournalExpiry } from '../journal/expire-journal.ts';
import { journalPlaces } from '../journal/journal-places.ts';
import { parseEntryName } from './names.ts';
import type { JournalObject } from './plan.ts';

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
 * Reads the objects one after another. Pieces that went meanwhile were joined into new ones, so then the journal is listed
 * anew, and what came since is read as well.
 */
export async function eachJournalObject(
  { storage }: Repository,
  { sources, objects }: JournalsOfSnapshots,
  read: (key: string, bytes: Buffer) => Promise<void>,
): Promise<void> {
  const done = new Set<string>();
  let waiting = objects.map(({ key }) => key);
  for (let round = 0; waiting.length > 0 && round < roundsMax; round++) {
    let vanished = false;
    for (const key of waiting) {
      if (done.has(key)) continue;
      try {
        await read(key, await storage.load(key));
        done.add(key);
      } catch (error) {
        if (!hasCode(error, 'storage-missing-file')) throw error;
        vanished = true;
      }
    }
    waiting = [];
    if (!vanished) return;
    for (const source of sources)
      for (const { key } of await storage.list(sourcePrefix(source)))
        if (!done.has(key) && parseEntryName(key)?.kind === 'journal') waiting.push(key);
  }
}
