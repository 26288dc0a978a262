import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalPlace } from '../../../journal/envelope.ts';
import { type Heartbeat, saveHeartbeat } from '../../../journal/heartbeat.ts';
import type { JournalStream } from '../../../model/journal.ts';
import { type Lsn, parseLsn, parseSegmentName, type Timeline } from '../../../model/wal.ts';
import type { WalSink } from '../../../model/wal-event.ts';
import type { SqlSession } from '../../../sources/postgres/connection/session.ts';

/** Tells the places until when the log of a server that writes nothing is whole. */

/** What a server says of the end of its log. */
export interface ServerEnd {
  readonly systemIdentifier: string;
  readonly timeline: Timeline;
  /** Behind the last record of its log, written out or not. */
  readonly end: Lsn;
  /** Its clock before it looked. */
  readonly clockMs: number;
}

interface EndRow {
  readonly clock: number;
  readonly system: string;
  readonly position: string | null;
  readonly segment: string | null;
}

/** The clock is read first: whatever had ended by then is before the position. */
const query = `SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::float8 AS clock,
  (SELECT s.system_identifier::text FROM pg_catalog.pg_control_system() s) AS system,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
    ELSE pg_catalog.pg_current_wal_insert_lsn()::text END AS position,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
    ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END AS segment`;

/** Of a page's first record nothing is written yet where the log ends before its header (SizeOfXLogLongPHD). */
const pageHeaderBytesMax = 40n;

/** null for a standby: what its primary has written meanwhile, it does not know. @throws what the query throws */
export async function readServerEnd(
  session: SqlSession,
  { unitBytes, blockBytes }: { readonly unitBytes: number; readonly blockBytes: number },
): Promise<ServerEnd | null> {
  const [row] = await session.query<EndRow>(query);
  const position = parseLsn(row?.position ?? '');
  const segment = parseSegmentName(row?.segment ?? '', unitBytes);
  if (!row || position === null || segment === null) return null;
  const inPage = position % BigInt(blockBytes);
  return {
    systemIdentifier: BigInt.asUintN(64, BigInt(row.system)).toString(),
    timeline: segment.timeline,
    end: inPage <= pageHeaderBytesMax ? position - inPage : position,
    clockMs: row.clock,
  };
}

/** What of the log is where. */
export interface ReceivedEnd {
  readonly timeline: Timeline;
  readonly position: Lsn;
  /** In the order of the places. */
  readonly durableIn: readonly { readonly durable: Lsn }[];
}

export interface HeartOptions {
  readonly places: readonly JournalPlace[];
  readonly stream: JournalStream;
  readonly ask: () => Promise<ServerEnd | null>;
  readonly received: () => ReceivedEnd | null;
  /** Between two looks, at least. */
  readonly everyMs: number;
  /**
   * A transaction takes its time just before it writes its record: none that has one from before the first look can
   * still be missing when this has passed.
   */
  readonly settleMs: number;
  readonly signal: AbortSignal;
  readonly sink: WalSink;
}

/** A server that has been quiet for long is looked at less often: after ten minutes, once a minute. */
const longestEveryMs = 60_000;
const shareOfQuiet = 0.1;

/** What the server and the receiver both say, or null where the log still moves or is not all here. */
function quietAt(of: JournalStream, seen: ServerEnd | null, received: ReceivedEnd | null): Heartbeat | null {
  if (!seen || !received) return null;
  const { timeline, end, systemIdentifier, clockMs } = seen;
  if (systemIdentifier !== of.stream || received.timeline !== timeline || received.position !== end)
    return null;
  return { timeline, lsn: end, sentMs: clockMs };
}

/** Beats until the signal aborts. @throws what `ask` throws */
export async function beat(options: HeartOptions): Promise<void> {
  const { places, stream, ask, received, everyMs, settleMs, signal, sink } = options;
  const failing = new Set<JournalPlace>();
  let quiet = null as { readonly lsn: Lsn; readonly sinceMs: number } | null;

  const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined); // aborted: the loop ends

  async function tell(found: Heartbeat): Promise<void> {
    const { durableIn } = received() ?? { durableIn: [] };
    for (const [index, place] of places.entries()) {
      if ((durableIn[index]?.durable ?? 0n) < found.lsn) continue;
      try {
        await saveHeartbeat(place, stream, found);
        failing.delete(place);
      } catch (error) {
        // The next one is as good, and no log is lost.
        if (!failing.has(place) && !signal.aborted)
          sink({ kind: 'heartbeat-failed', place: place.name, error });
        failing.add(place);
      }
    }
  }

  for (;;) {
    const quietMs = quiet === null ? 0 : performance.now() - quiet.sinceMs;
    await wait(Math.max(everyMs, Math.min(longestEveryMs, quietMs * shareOfQuiet)));
    if (signal.aborted) return;
    const first = quietAt(stream, await ask(), received());
    if (first !== null) await wait(settleMs);
    if (signal.aborted) return;
    const second = first && quietAt(stream, await ask(), received());
    if (!first || !second || second.lsn !== first.lsn || second.sentMs < first.sentMs) {
      quiet = null;
      continue;
    }
    if (quiet?.lsn !== first.lsn) quiet = { lsn: first.lsn, sinceMs: performance.now() };
    await tell(first);
  }
}
