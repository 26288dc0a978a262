import { randomBytes } from 'node:crypto';
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

/** @throws LifeboatError `database-settings` where the server writes too little log for any backup of a running one. */
export function checkWalLevel({ walLevel }: ServerFacts): void {
  if (walLevel !== 'minimal') return;
  throw new LifeboatError(
    'database-settings',
    'the server has wal_level = minimal, with which a running server cannot be backed up',
    { hint: 'set wal_level = replica and restart the server, or set `method: logical` for this source' },
  );
}

/**
 * Looks whether the role may begin and end a backup, before an hour of copying ends at the second.
 * @throws LifeboatError `database-permission`, with the GRANTs in its hint.
 */
export async function checkBackupRights(session: SqlSession, facts: ServerFacts): Promise<void> {
  const functions =
    facts.versionNumber >= functionsRenamed
      ? ['pg_backup_start(text, boolean)', 'pg_backup_stop(boolean)']
      : ['pg_start_backup(text, boolean, boolean)', 'pg_stop_backup(boolean, boolean)'];
  const denied = await session.query<{ name: string }>(
    `select name from unnest($1::text[]) as name
     where not has_function_privilege('pg_catalog.' || name, 'EXECUTE')`,
    [functions],
  );
  if (denied.length === 0) return;
  const grants = denied.map(({ name }) => `GRANT EXECUTE ON FUNCTION pg_catalog.${name} TO "${facts.user}";`);
  throw new LifeboatError(
    'database-permission',
    `the role ${facts.user} may not call ${denied.map(({ name }) => name.replace(/\(.*/, '')).join(' and ')}`,
    {
      hint: `as a superuser, in the database ${facts.database}: ${grants.join(' ')} ALTER ROLE "${facts.user}" REPLICATION;`,
    },
  );
}

/** Permission bits of the data directory: 0700, or 0750 where a group may read it. */
export async function dataDirectoryMode(session: SqlSession): Promise<number> {
  const [row] = await session.query<{ mode: string }>(
    `select pg_catalog.current_setting('data_directory_mode') as mode`,
  );
  return Number.parseInt(row!.mode, 8);
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

/** Tablespaces that users have made. */
export async function listTablespaces(session: SqlSession): Promise<{ oid: number; name: string }[]> {
  const rows = await session.query<{ oid: string; name: string }>(
    `select oid::text as oid, spcname as name from pg_catalog.pg_tablespace
     where spcname not in ('pg_default', 'pg_global') order by oid`,
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

/** Two programs on different machines may have the same pid, so chance keeps their slots apart. */
export function temporarySlotName(purpose: string): string {
  return `lifeboat_${purpose}_${randomBytes(6).toString('hex')}`;
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
