import { hasCode, LifeboatError } from '../core/errors.ts';
import type { JournalStream } from '../model/journal.ts';
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../model/wal.ts';
import type { JournalPlace } from './envelope.ts';
import { openFrame, sealFrame } from './frame.ts';
import { heartbeatKey } from './layout.ts';

/**
 * A server that does nothing writes no log, so no piece can tell that its log is whole up to now. A heartbeat does
 * (docs/journal-format.md "Heartbeat").
 */
export interface Heartbeat {
  readonly timeline: Timeline;
  /** Everything before was durable in this place. */
  readonly lsn: Lsn;
  /** The source's clock when its log ended at `lsn`, milliseconds since 1970. */
  readonly sentMs: number;
}

/** Replaces the one before. @throws LifeboatError errors of the storage. */
export async function saveHeartbeat(
  place: JournalPlace,
  stream: JournalStream,
  { timeline, lsn, sentMs }: Heartbeat,
): Promise<void> {
  const facts = {
    version: 1,
    kind: 'heartbeat',
    source: stream.source,
    stream: stream.stream,
    timeline,
    lsn: formatLsn(lsn),
    sentMs,
    storedAt: new Date().toISOString(),
  };
  const { stored } = await sealFrame(place.envelope, facts, new Uint8Array(0));
  await place.storage.save(heartbeatKey(stream), [stored]);
}

/**
 * The last heartbeat, or null where there is none.
 * @throws LifeboatError `journal-damaged` for what is none of this stream; errors of the storage.
 */
export async function loadHeartbeat(place: JournalPlace, stream: JournalStream): Promise<Heartbeat | null> {
  const key = heartbeatKey(stream);
  let stored: Uint8Array;
  try {
    stored = await place.storage.load(key);
  } catch (error) {
    if (hasCode(error, 'storage-missing-file')) return null;
    throw error;
  }
  const { facts } = await openFrame(place.envelope, stored, key);
  const { version, kind, source, timeline, sentMs } = facts;
  const lsn = typeof facts.lsn === 'string' ? parseLsn(facts.lsn) : null;
  const fits =
    version === 1 &&
    kind === 'heartbeat' &&
    source === stream.source &&
    facts.stream === stream.stream &&
    Number.isInteger(timeline) &&
    Number.isFinite(sentMs) &&
    lsn !== null;
  if (!fits) throw new LifeboatError('journal-damaged', `${key} is no heartbeat of this journal`);
  return { timeline: timeline as number, lsn, sentMs: sentMs as number };
}

/**
 * Until when a log that ends at a position is known to be whole, or null where no heartbeat tells. One whose position
 * is another tells nothing: the log went on behind it, or what came before it is missing.
 */
export function quietUntilMs(heartbeats: readonly Heartbeat[], timeline: Timeline, end: Lsn): number | null {
  const times = heartbeats
    .filter((beat) => beat.timeline === timeline && beat.lsn === end)
    .map(({ sentMs }) => sentMs);
  return times.length > 0 ? Math.max(...times) : null;
}
