import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../core/errors.ts';
import type { SqlSession } from '../connection/session.ts';
import { systemIdentifierOf } from './control-file.ts';

/** A start time in postmaster.pid has seconds; the server says it with microseconds. */
const startToleranceS = 2;

/**
 * Why a folder is not the data directory of the server at the other end of a session, or null where it is. The same
 * system identifier is not enough: a standby or a restored copy beside the server has it as well. So the pid file must
 * name a server that started when this one did.
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
  return null;
}
