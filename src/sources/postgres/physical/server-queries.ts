import { LifeboatError } from '../../../core/errors.ts';
import { type Lsn, parseLsn } from '../../../model/wal.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';

/** What a physical backup asks of the server. */

/** The oldest server whose backup functions and protocol this code knows. */
const oldestServer = 130000;
const functionsRenamed = 150000;

/** @throws LifeboatError `source-unreadable` for servers that are too old. */
export function checkServerVersion(facts: ServerFacts): void {
  if (facts.versionNumber >= oldestServer) return;
  throw new LifeboatError(
    'source-unreadable',
    `physical backups need PostgreSQL 13 or newer; this server is ${facts.major}`,
    { hint: 'set `method: logical` for this source, or upgrade the server' },
  );
}

/** The server's clock, RFC 3339 in UTC with milliseconds. */
export async function serverTime(session: SqlSession): Promise<string> {
  const [row] = await session.query<{ now: string }>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as now`,
  );
  return row!.now;
}

export async function listDatabases(session: SqlSession): Promise<{ oid: number; name: string }[]> {
  const rows = await session.query<{ oid: string; name: string }>(
    'select oid::text as oid, datname as name from pg_catalog.pg_database order by oid',
  );
  return rows.map(({ oid, name }) => ({ oid: Number(oid), name }));
}

/** Name of this server's folder in a tablespace, such as `PG_15_202209061` (relpath.h, TABLESPACE_VERSION_DIRECTORY). */
export async function tablespaceVersionFolder(session: SqlSession, facts: ServerFacts): Promise<string> {
  const [row] = await session.query<{ catalog: string }>(
    'select catalog_version_no::text as catalog from pg_catalog.pg_control_system()',
  );
  return `PG_${facts.major}_${row!.catalog}`;
}

/**
 * Keeps the server from removing WAL until the session ends.
 * @returns why it cannot be done, or null.
 */
export async function holdWal(session: SqlSession, slot: string): Promise<string | null> {
  try {
    await session.query('select pg_catalog.pg_create_physical_replication_slot($1, true, true)', [slot]);
    return null;
  } catch (error) {
    // Without one the backup goes on, and finds at its end whether the server still has what it needs.
    return error instanceof Error ? error.message : String(error);
  }
}

/** Begins a backup: the checkpoint is made at once. The session must be held until `stopBackup`. */
export async function startBackup(session: SqlSession, facts: ServerFacts, label: string): Promise<Lsn> {
  const sql =
    facts.versionNumber >= functionsRenamed
      ? 'select pg_catalog.pg_backup_start($1, true)::text as lsn'
      : 'select pg_catalog.pg_start_backup($1, true, false)::text as lsn';
  const [row] = await session.query<{ lsn: string }>(sql, [label]);
  return parseLsn(row!.lsn)!;
}

export interface StoppedBackup {
  readonly stop: Lsn;
  readonly label: string;
  /** Empty where there are no tablespaces. */
  readonly tablespaceMap: string;
}

/** Ends a backup without waiting for archive_command: what the snapshot needs, it takes from the server itself. */
export async function stopBackup(session: SqlSession, facts: ServerFacts): Promise<StoppedBackup> {
  const call =
    facts.versionNumber >= functionsRenamed ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
  const [row] = await session.query<{ lsn: string; labelfile: string; spcmapfile: string }>(
    `select lsn::text as lsn, labelfile, spcmapfile from pg_catalog.${call}`,
  );
  return { stop: parseLsn(row!.lsn)!, label: row!.labelfile, tablespaceMap: row!.spcmapfile };
}
