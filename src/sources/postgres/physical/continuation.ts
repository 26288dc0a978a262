import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../../core/errors.ts';
import type { PhysicalManifest } from '../../../model/postgres-manifest.ts';
import { formatLsn, historyName, parseHistory, parseLsn } from '../../../model/wal.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import type { PhysicalBackupOptions } from './options.ts';

/**
 * Whether a backup may take over what an earlier one has read. It may where that one lies in the server's own past:
 * path, size and modification time of a file mean the same only as long as one history wrote them.
 */

/** The backup of another cluster behind the same URL has nothing in common with this one. */
export function withoutStranger(
  options: PhysicalBackupOptions,
  server: ServerFacts,
  warn: (message: string) => void,
): PhysicalBackupOptions {
  const { comparedWith, previous } = options;
  const known = comparedWith?.manifest ?? previous;
  if (!known || known.systemIdentifier === server.systemIdentifier) return options;
  warn(
    `the last backup of ${options.source} is of the cluster ${known.systemIdentifier}, the server is ${server.systemIdentifier}: everything is read`,
  );
  return { ...options, type: 'full', comparedWith: null, previous: null };
}

/** A server that was set back to before the compared backup's end has gone another way since. */
export async function withoutOtherPast(
  options: PhysicalBackupOptions,
  session: SqlSession,
  dataDirectory: string,
  warn: (message: string) => void,
): Promise<PhysicalBackupOptions> {
  if (!options.comparedWith) return options;
  const reason = await otherPast(options.comparedWith.manifest, session, dataDirectory);
  if (reason === null) return options;
  const snapshot = options.comparedWith.snapshot.slice(0, 8);
  warn(`snapshot ${snapshot} does not lie in the past of this server (${reason}): everything is read`);
  return { ...options, type: 'full', comparedWith: null };
}

async function otherPast(
  { timeline, stop }: PhysicalManifest,
  session: SqlSession,
  dataDirectory: string,
): Promise<string | null> {
  // A checkpoint names the timeline that was written then; a standby may have followed its server since.
  const [row] = await session.query<{ timeline: number; position: string }>(
    `select greatest(c.timeline_id, r.min_recovery_end_timeline) as timeline,
            case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                 else pg_catalog.pg_current_wal_insert_lsn() end::text as position
     from pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r`,
  );
  const now = { timeline: row!.timeline, position: parseLsn(row!.position ?? '') };
  const end = parseLsn(stop)!;
  if (now.position === null || now.position < end)
    return `it ended at ${stop}, the server is at ${row!.position}`;
  if (now.timeline === timeline) return null;
  const left = historyOf(dataDirectory, now.timeline)?.find((each) => each.timeline === timeline);
  if (!left) return `timeline ${now.timeline} does not descend from its timeline ${timeline}`;
  if (left.end < end)
    return `its timeline ${timeline} was left at ${formatLsn(left.end)}, before its end at ${stop}`;
  return null;
}

/** null where the file is missing or cannot be understood: then nothing is known of the past. */
function historyOf(dataDirectory: string, timeline: number): ReturnType<typeof parseHistory> {
  try {
    return parseHistory(readFileSync(join(dataDirectory, 'pg_wal', historyName(timeline)), 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
