import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../core/errors.ts';
import { coverageOf, missingIn } from '../../journal/coverage.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { listPieces } from '../../journal/list.ts';
import type { JournalConfiguration } from '../../model/configuration.ts';
import {
  formatLsn,
  type Lsn,
  parseLsn,
  segmentBefore,
  segmentName,
  segmentStart,
  type Timeline,
} from '../../model/wal.ts';
import type { ServerFacts } from '../../sources/postgres/connection/server.ts';
import type { SqlSession } from '../../sources/postgres/connection/session.ts';
import type { ArchivingProof } from '../../sources/postgres/physical/options.ts';
import { checkStream } from './known-streams.ts';
import { readSlotState } from './receive/slot-watch.ts';

/** Proves that the server's log reaches every repository, before and after a backup. */

export interface ProofOptions {
  readonly source: string;
  /** Only what is stored is looked at; nothing is opened. */
  readonly places: readonly JournalPlace[];
  readonly journal: JournalConfiguration;
  readonly signal: AbortSignal;
}

/** Part of the log that has to be there. */
interface Wanted {
  readonly timeline: Timeline;
  readonly start: Lsn;
  readonly end: Lsn;
}

const lookEveryMs = 100;
/** A receiver that is being restarted may be away from its slot for so long; then waiting on makes no sense. */
const receiverAwayMs = 5000;
const lookEveryMostMs = 1000;

export function createArchivingProof(options: ProofOptions): ArchivingProof {
  const { journal, signal } = options;

  async function waitFor(session: SqlSession, facts: ServerFacts, wanted: Wanted): Promise<void> {
    const startedMs = performance.now();
    let servedMs = startedMs;
    let pauseMs = lookEveryMs;
    for (;;) {
      const missing = await placesWithout(options, facts, wanted);
      if (missing.length === 0) return;
      const nowMs = performance.now();
      if (await isServed(session, journal)) servedMs = nowMs;
      if (nowMs - startedMs > journal.proofTimeoutMs || nowMs - servedMs > receiverAwayMs)
        throw await notArchived(options, session, facts, wanted, missing, nowMs - startedMs);
      await sleep(pauseMs, undefined, { signal }).catch((cause: unknown) => {
        throw new LifeboatError('cancelled', 'waiting for the log to arrive was cancelled', { cause });
      });
      pauseMs = Math.min(lookEveryMostMs, pauseMs * 1.5);
    }
  }

  return {
    async prove(session, facts) {
      const { timeline, end } = await forceSegment(session, facts);
      await waitFor(session, facts, withSegmentStart(timeline, end, facts));
    },
    async complete(session, facts, timeline, stop) {
      await waitFor(session, facts, withSegmentStart(timeline, stop, facts));
    },
  };
}

/** Whether somebody is there to take the log: unknown where PostgreSQL pushes it. */
async function isServed(session: SqlSession, { way, slot }: JournalConfiguration): Promise<boolean> {
  return way === 'push' || (await readSlotState(session, slot))?.active === true;
}

function withSegmentStart(timeline: Timeline, end: Lsn, { segmentBytes }: ServerFacts): Wanted {
  const start = segmentStart(segmentBefore(timeline, end, segmentBytes), segmentBytes);
  return { timeline, start, end };
}

/**
 * Ends the server's current segment. A standby cannot: there, all that it has replayed is to arrive.
 * @returns the end of what has to arrive.
 */
async function forceSegment(
  session: SqlSession,
  { inRecovery, timeline }: ServerFacts,
): Promise<{ readonly timeline: Timeline; readonly end: Lsn }> {
  if (inRecovery) {
    const [row] = await session.query<{ end: string }>(
      'SELECT pg_catalog.pg_last_wal_replay_lsn()::text AS "end"',
    );
    return { timeline, end: lsnOf(row?.end) };
  }
  // Nothing is switched where nothing was written: so something is.
  await session.query(`SELECT pg_catalog.pg_logical_emit_message(false, 'lifeboat', 'proof of archiving')`);
  const [row] = await session.query<{ end: string; file: string }>(
    `SELECT s.lsn::text AS "end", pg_catalog.pg_walfile_name(s.lsn) AS file
     FROM (SELECT pg_catalog.pg_switch_wal() AS lsn OFFSET 0) s`,
  );
  return { timeline: Number.parseInt(row?.file.slice(0, 8) ?? '', 16), end: lsnOf(row?.end) };
}

function lsnOf(text: string | undefined): Lsn {
  const lsn = parseLsn(text ?? '');
  if (lsn === null) throw new LifeboatError('database-failed', `the server named the position "${text}"`);
  return lsn;
}

async function placesWithout(
  { source, places }: ProofOptions,
  { systemIdentifier, segmentBytes }: ServerFacts,
  wanted: Wanted,
): Promise<JournalPlace[]> {
  const missing: JournalPlace[] = [];
  for (const place of places) {
    const pieces = await listPieces(
      place,
      { source, stream: systemIdentifier },
      { timeline: wanted.timeline, from: wanted.start, to: wanted.end },
    );
    if (missingIn(wanted, coverageOf(pieces, segmentBytes)).length > 0) missing.push(place);
  }
  return missing;
}

async function notArchived(
  { source, journal, places }: ProofOptions,
  session: SqlSession,
  facts: ServerFacts,
  wanted: Wanted,
  missing: readonly JournalPlace[],
  waitedMs: number,
): Promise<LifeboatError> {
  // A journal of another cluster says more than that nothing arrived.
  await checkStream(places, { source, stream: facts.systemIdentifier }, { acceptNew: false });
  const unit = segmentName(
    segmentBefore(wanted.timeline, wanted.end, facts.segmentBytes),
    facts.segmentBytes,
  );
  const names = missing.map(({ name }) => name).join(', ');
  const reason =
    journal.way === 'receive' ? await whyNotReceived(session, journal) : await whyNotPushed(session, facts);
  return new LifeboatError(
    'wal-not-archived',
    `the log of ${source} up to ${formatLsn(wanted.end)} (segment ${unit}) did not arrive in ${names} within ${Math.max(0.1, Math.round(waitedMs / 100) / 10)} s: ${reason}`,
  );
}

async function whyNotReceived(session: SqlSession, { slot }: JournalConfiguration): Promise<string> {
  const state = await readSlotState(session, slot);
  if (state === null) {
    return `the server has no replication slot ${slot}, so no receiver has run yet; start \`lifeboat wal receive\``;
  }
  if (state.status === 'lost')
    return `the replication slot ${slot} was invalidated by max_slot_wal_keep_size`;
  if (!state.active)
    return `no receiver is connected to the replication slot ${slot}; start \`lifeboat wal receive\``;
  return `the receiver is connected, but is ${state.behindBytes ?? 0} bytes behind`;
}

interface ArchiverRow {
  readonly failedCount: number;
  readonly lastFailed: string | null;
  readonly failedAt: string | null;
  readonly lastArchived: string | null;
}

async function whyNotPushed(session: SqlSession, facts: ServerFacts): Promise<string> {
  if (facts.archiveMode === 'off') return 'archive_mode is off: set it to on and restart the server';
  if (facts.inRecovery && facts.archiveMode !== 'always') {
    return 'the server is a standby, whose primary archives when its segment is full: set archive_timeout there';
  }
  if (facts.archiveCommand === '') {
    return 'archive_command is empty: set it to `lifeboat wal push %p` and reload the server';
  }
  const [row] = await session.query<ArchiverRow>(
    `SELECT failed_count::float8 AS "failedCount", last_failed_wal AS "lastFailed",
       last_failed_time::text AS "failedAt", last_archived_wal AS "lastArchived"
     FROM pg_catalog.pg_stat_archiver`,
  );
  if (row?.lastFailed && (row.lastArchived === null || row.lastFailed >= row.lastArchived)) {
    return `archive_command failed ${row.failedCount} times, last for ${row.lastFailed} at ${row.failedAt}; the server's log has its output`;
  }
  return `archive_command has last archived ${row?.lastArchived ?? 'nothing'}; see whether it is \`lifeboat wal push %p\``;
}
