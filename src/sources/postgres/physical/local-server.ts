import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, LifeboatError, messageOf } from '../../../core/errors.ts';
import { formatLsn, type Lsn } from '../../../model/wal.ts';
import type { SqlSession } from '../connection/session.ts';
import { readControlFile, redoOf, systemIdentifierOf } from './control-file.ts';
import { temporarySlotName } from './server-queries.ts';

/** A start time in postmaster.pid has seconds; the server says it with microseconds. */
const startToleranceS = 2;

/**
 * Why a folder is not the data directory of the server at the other end of a session, or null where it is. The same
 * system identifier is not enough: a standby or a restored copy beside the server has it as well. So the pid file must
 * name a server that started when this one did, and what the server does now must show in the folder: a copy of it
 * may have the pid file, too.
 */
export async function strangerReason(
  session: SqlSession,
  dataDirectory: string,
  systemIdentifier: string,
): Promise<string | null> {
  let found: string;
  let pidFile: string[];
  try {
    found = systemIdentifierOf(readFileSync(join(dataDirectory, 'global', 'pg_control')));
    pidFile = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    return `the data directory ${dataDirectory} cannot be read here: ${messageOf(error)}`;
  }
  if (found !== systemIdentifier)
    return `${dataDirectory} belongs to the cluster ${found}, the server is ${systemIdentifier}`;
  const [row] = await session.query<{ started: string; port: string }>(
    `select floor(extract(epoch from pg_catalog.pg_postmaster_start_time()))::text as started,
            pg_catalog.current_setting('port') as port`,
  );
  const startedHere = Number(pidFile[2]);
  if (Math.abs(startedHere - Number(row!.started)) > startToleranceS || pidFile[3] !== row!.port)
    return `${dataDirectory} belongs to another server of the same cluster (port ${pidFile[3]}), such as a standby`;
  return (await isMarked(session, dataDirectory)) === false
    ? `${dataDirectory} is a copy of the server's data directory: what the server writes does not appear in it`
    : null;
}

/**
 * Whether a slot that the server makes for a moment appears in the folder. null where the role or the settings allow
 * none: then the control file tells, once the backup has begun.
 */
async function isMarked(session: SqlSession, dataDirectory: string): Promise<boolean | null> {
  const markName = temporarySlotName('look');
  try {
    await session.query('select pg_catalog.pg_create_physical_replication_slot($1, false, true)', [markName]);
  } catch (error) {
    if (hasCode(error, 'database-permission', 'database-failed')) return null;
    throw error;
  }
  try {
    return existsSync(join(dataDirectory, 'pg_replslot', markName));
  } finally {
    await session.query('select pg_catalog.pg_drop_replication_slot($1)', [markName]);
  }
}

/**
 * Looks whether the checkpoint of a backup that has begun stands in the folder's control file.
 * @throws LifeboatError `source-unreadable` where it does not: then the folder is not the server's.
 */
export async function checkCheckpoint(dataDirectory: string, start: Lsn): Promise<void> {
  const redo = redoOf(await readControlFile(dataDirectory));
  if (redo >= start) return;
  throw new LifeboatError(
    'source-unreadable',
    `${dataDirectory} is a copy of the server's data directory: its last checkpoint is at ${formatLsn(redo)}, the server's at ${formatLsn(start)}`,
    { hint: 'set `data-directory` of this source to the folder that the server runs on, or `way: remote`' },
  );
}
