import { hasCode } from '../../../core/errors.ts';
import { runTool } from '../../../transport/run-tool.ts';
import { openSqlSession, type SqlSession } from '../connection/session.ts';
import { type ConnectionSettings, connectionSettings } from '../connection/settings.ts';
import { withToolEnvironment } from '../connection/tool-environment.ts';
import { findTool } from '../connection/tools.ts';
import type { ServerPrograms } from './programs.ts';
import type { RecoveryServer } from './recovery-server.ts';

/** Looking at what was recovered, while nobody else can reach it. */

const conninfoQuoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

/**
 * How to reach the server in its private folder as a superuser.
 * @param users names to try; the first that the cluster knows is taken.
 * @returns null where it knows none of them.
 */
export async function superuserOf(
  server: RecoveryServer,
  users: readonly string[],
): Promise<ConnectionSettings | null> {
  const { folder, port } = server.socket;
  for (const user of new Set(users)) {
    const given = `host=${conninfoQuoted(folder)} port=${port} user=${conninfoQuoted(user)} dbname=postgres sslmode=disable`;
    const settings = await connectionSettings(given, { password: null, env: { HOME: folder } });
    let session: SqlSession | null = null;
    try {
      session = await openSqlSession(settings);
      const [row] = await session.query<{ rolsuper: boolean }>(
        'select rolsuper from pg_catalog.pg_roles where rolname = current_user',
      );
      if (row?.rolsuper) return settings;
    } catch (error) {
      // Another name may be known.
      if (!hasCode(error, 'database-login-refused', 'database-failed', 'database-missing')) throw error;
    } finally {
      await session?.close();
    }
  }
  return null;
}

export interface AmcheckResult {
  readonly databases: readonly string[];
  /** What pg_amcheck said of tables and indexes that are damaged. */
  readonly findings: readonly string[];
  /** Databases that could not be checked, and why. */
  readonly unchecked: readonly string[];
}

const findingsMax = 100;
const schema = 'lifeboat_amcheck';

async function listDatabases(settings: ConnectionSettings): Promise<string[]> {
  const session = await openSqlSession(settings);
  try {
    const rows = await session.query<{ datname: string }>(
      'select datname from pg_catalog.pg_database where datallowconn order by datname',
    );
    return rows.map(({ datname }) => datname);
  } finally {
    await session.close();
  }
}

/** Makes the extension available for the time of the check. @returns what takes it away again. */
async function lendExtension(settings: ConnectionSettings): Promise<() => Promise<void>> {
  const session = await openSqlSession(settings);
  try {
    const there = await session.query("select 1 from pg_catalog.pg_extension where extname = 'amcheck'");
    if (there.length > 0) return async () => undefined;
    await session.query(`create schema ${schema}; create extension amcheck schema ${schema}`);
  } finally {
    await session.close();
  }
  return async () => {
    const closing = await openSqlSession(settings);
    try {
      await closing.query(`drop extension amcheck; drop schema ${schema}`);
    } finally {
      await closing.close();
    }
  };
}

/** Runs pg_amcheck over all databases. @throws LifeboatError `tool-missing`, `tool-older-than-server`. */
export async function checkWithAmcheck(
  settings: ConnectionSettings,
  { major, binDirectory }: ServerPrograms,
  signal: AbortSignal,
): Promise<AmcheckResult> {
  const tool = await findTool('pg_amcheck', { major, binDirectory });
  const findings: string[] = [];
  const unchecked: string[] = [];
  const databases = await listDatabases(settings);
  for (const database of databases) {
    signal.throwIfAborted();
    const there = settings.with({ database });
    let giveBack: () => Promise<void>;
    try {
      giveBack = await lendExtension(there);
    } catch (error) {
      if (!hasCode(error, 'database-failed', 'database-permission')) throw error;
      unchecked.push(`${database}: ${error.message}`);
      continue;
    }
    try {
      const result = await withToolEnvironment(there, (env, args) =>
        runTool({
          program: tool.path,
          args: [...args, '--heapallindexed', database],
          env: { ...env, LC_ALL: 'C' },
          cwd: '/',
          signal,
        }),
      );
      const said = `${result.stdout.toString()}\n${result.stderr}`
        .split('\n')
        .filter((line) => line.trim() !== '');
      if (result.status !== 0) findings.push(...said.map((line) => `${database}: ${line}`));
    } finally {
      await giveBack();
    }
  }
  return { databases, findings: findings.slice(0, findingsMax), unchecked };
}
