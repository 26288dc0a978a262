import { hasCode, LifeboatError } from '../core/errors.ts';
import type { JournalStream } from '../model/journal.ts';
import { historyName, parseHistory, type Timeline } from '../model/wal.ts';
import type { TimelineHistory } from './coverage.ts';
import type { JournalPlace } from './envelope.ts';
import { loadFrame, sealFrame } from './frame.ts';
import { historyKey, historyPrefix, parseHistoryKey, type StoredHistory } from './layout.ts';

/** Timeline history files, which tell where each timeline left the one before. */

/** What is sealed with a history file. */
interface HistoryFacts {
  readonly version: 1;
  readonly source: string;
  readonly stream: string;
  /** Such as `00000002.history`. */
  readonly name: string;
  /** RFC 3339, of the machine that stored it. */
  readonly storedAt: string;
}

/** The history files of a stream, sorted by timeline. A timeline may be there twice with the same content. */
export async function listHistories(place: JournalPlace, stream: JournalStream): Promise<StoredHistory[]> {
  const listed = await place.storage.list(historyPrefix(stream));
  return listed
    .flatMap(({ key, size }) => parseHistoryKey(key, size) ?? [])
    .sort((a, b) => a.timeline - b.timeline || (a.hash < b.hash ? -1 : 1));
}

async function loadOne(
  place: JournalPlace,
  stream: JournalStream,
  stored: StoredHistory,
): Promise<{ readonly facts: HistoryFacts; readonly content: Buffer }> {
  const key = historyKey(stream, stored);
  const { facts, bytes } = await loadFrame(place.storage, place.envelope, key, stored.hash);
  const { version, source, name, storedAt } = facts;
  const fits =
    version === 1 &&
    source === stream.source &&
    facts.stream === stream.stream &&
    name === historyName(stored.timeline) &&
    typeof storedAt === 'string';
  if (!fits) throw new LifeboatError('journal-damaged', `${key} holds something else than its name says`);
  return { facts: { version, source, stream: stream.stream, name, storedAt }, content: bytes };
}

/**
 * The history file of a timeline as the server wrote it, or null where there is none.
 * @throws LifeboatError `journal-damaged` where no copy is sound; `journal-conflict` where copies differ.
 */
export async function loadHistory(
  place: JournalPlace,
  stream: JournalStream,
  timeline: Timeline,
  listed?: readonly StoredHistory[],
): Promise<Buffer | null> {
  let content: Buffer | null = null;
  let damage: LifeboatError | null = null;
  for (const stored of listed ?? (await listHistories(place, stream))) {
    if (stored.timeline !== timeline) continue;
    try {
      const loaded = await loadOne(place, stream, stored);
      if (content && !content.equals(loaded.content)) throw conflict(place, stream, stored);
      content = loaded.content;
    } catch (error) {
      if (!hasCode(error, 'journal-damaged')) throw error;
      damage = error;
    }
  }
  if (content === null && damage) throw damage;
  return content;
}

/**
 * Stores a history file durably. The same content again changes nothing.
 * @throws LifeboatError `journal-conflict` where another content is stored for the timeline: nothing is written then.
 */
export async function saveHistory(
  place: JournalPlace,
  stream: JournalStream,
  timeline: Timeline,
  content: Uint8Array,
): Promise<'saved' | 'already there'> {
  for (const stored of await listHistories(place, stream)) {
    if (stored.timeline !== timeline) continue;
    try {
      const loaded = await loadOne(place, stream, stored);
      if (Buffer.compare(loaded.content, content) !== 0) throw conflict(place, stream, stored);
      return 'already there';
    } catch (error) {
      // A damaged copy does not stand in the way of a sound one.
      if (!hasCode(error, 'journal-damaged')) throw error;
    }
  }
  const facts: HistoryFacts = {
    version: 1,
    source: stream.source,
    stream: stream.stream,
    name: historyName(timeline),
    storedAt: new Date().toISOString(),
  };
  const { stored, hash } = await sealFrame(place.envelope, facts, content);
  await place.storage.save(historyKey(stream, { timeline, hash }), [stored]);
  return 'saved';
}

/**
 * All histories of a stream, parsed.
 * @returns problems for those that are damaged, contradict each other or are no history; the others serve.
 */
export async function loadHistories(
  place: JournalPlace,
  stream: JournalStream,
): Promise<{ readonly histories: TimelineHistory[]; readonly problems: LifeboatError[] }> {
  const listed = await listHistories(place, stream);
  const histories: TimelineHistory[] = [];
  const problems: LifeboatError[] = [];
  for (const timeline of new Set(listed.map((each) => each.timeline))) {
    try {
      const content = await loadHistory(place, stream, timeline, listed);
      const switches = content && parseHistory(content.toString('utf8'));
      if (switches) histories.push({ timeline, switches });
      else
        problems.push(
          new LifeboatError(
            'journal-damaged',
            `${historyName(timeline)} in ${place.name} is no timeline history`,
          ),
        );
    } catch (error) {
      if (!hasCode(error, 'journal-damaged', 'journal-conflict')) throw error;
      problems.push(error);
    }
  }
  return { histories, problems };
}

function conflict(place: JournalPlace, stream: JournalStream, stored: StoredHistory): LifeboatError {
  return new LifeboatError(
    'journal-conflict',
    `${place.name} already holds another history of timeline ${stored.timeline}, in ${historyKey(stream, stored)}`,
  );
}
