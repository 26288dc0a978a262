import { setTimeout as sleep } from 'node:timers/promises';
import type { WalAlarm } from '../../../model/wal-event.ts';
import type { SqlSession } from '../../../sources/postgres/connection/session.ts';

/** What the server says of a receiver's slot. */
export interface SlotState {
  readonly active: boolean;
  /** reserved, extended, unreserved or lost. */
  readonly status: string | null;
  readonly restart: string | null;
  /** Log that the slot holds back. */
  readonly behindBytes: number | null;
  readonly safeBytes: number | null;
  readonly syncState: string | null;
  readonly applicationName: string | null;
}

interface SlotRow {
  readonly active: boolean;
  readonly status: string | null;
  readonly restart: string | null;
  readonly behind: number | null;
  readonly safe: number | null;
  readonly sync: string | null;
  readonly application: string | null;
}

const query = `SELECT s.active, s.wal_status AS status, s.restart_lsn::text AS restart,
  pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()
    THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
    ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::float8 AS behind,
  s.safe_wal_size::float8 AS safe, r.sync_state AS sync, r.application_name AS application
FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_name = $1`;

/** null where there is no such slot. */
export async function readSlotState(session: SqlSession, slot: string): Promise<SlotState | null> {
  const [row] = await session.query<SlotRow>(query, [slot]);
  if (!row) return null;
  return {
    active: row.active,
    status: row.status,
    restart: row.restart,
    behindBytes: row.behind,
    safeBytes: row.safe,
    syncState: row.sync,
    applicationName: row.application,
  };
}

/** What of it an operator has to look after. */
export function alarmsOf(state: SlotState, bytesMax: number): WalAlarm[] {
  const alarms: WalAlarm[] = [];
  const { status, behindBytes, safeBytes } = state;
  if (behindBytes !== null && behindBytes > bytesMax) {
    alarms.push({ kind: 'slot-behind', bytes: behindBytes, bytesMax });
  }
  // `extended` alone says that more than max_wal_size is held, which is no danger where there is no limit.
  if (status === 'unreserved' || status === 'lost' || (status === 'extended' && safeBytes !== null)) {
    alarms.push({ kind: 'slot-status', status, safeBytes });
  }
  if (state.syncState === 'sync' || state.syncState === 'quorum') {
    alarms.push({ kind: 'synchronous', applicationName: state.applicationName ?? '' });
  }
  return alarms;
}

/**
 * Looks every few seconds until the session is lost or the signal aborts.
 * @throws what a query throws
 */
export async function watchSlot(
  session: SqlSession,
  slot: string,
  options: { readonly everyMs: number; readonly signal: AbortSignal },
  tell: (state: SlotState | null) => void,
): Promise<void> {
  const { everyMs, signal } = options;
  while (!signal.aborted) {
    tell(await readSlotState(session, slot));
    await sleep(everyMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
  }
}
