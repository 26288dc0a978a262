import { setTimeout } from 'node:timers/promises';
import { LifeboatError } from '../../../core/errors.ts';
import type { LogicalDatabase } from '../../../model/postgres-manifest.ts';
import { sqlStateOf } from '../connection/failure.ts';
import type { SqlSession } from '../connection/session.ts';
import { quoteName, quoteText } from './sql-text.ts';

/** Making, replacing and removing whole databases. The session is one of another database. */

/** What a database is made with. */
export type DatabaseShape = Pick<
  LogicalDatabase,
  'owner' | 'encoding' | 'collate' | 'ctype' | 'localeProvider' | 'locale' | 'icuRules'
>;

/** Lets go of the database within this time once its sessions were told to end. */
const releaseTimeoutMs = 15_000;
const releasePollMs = 50;

const providers: Readonly<Record<string, string>> = { c: 'libc', i: 'icu', b: 'builtin' };

/**
 * @param owner null: whoever runs it.
 * @param server server_version_num of the server that makes it.
 */
export function createDatabaseStatement(
  name: string,
  shape: DatabaseShape,
  owner: string | null,
  server: number,
): string {
  const parts = [
    `CREATE DATABASE ${quoteName(name)} TEMPLATE template0`,
    ...(owner === null ? [] : [`OWNER ${quoteName(owner)}`]),
    `ENCODING ${quoteText(shape.encoding)}`,
    `LC_COLLATE ${quoteText(shape.collate)}`,
    `LC_CTYPE ${quoteText(shape.ctype)}`,
  ];
  const provider = providers[shape.localeProvider];
  if (server >= 150000 && provider && provider !== 'libc') {
    parts.push(`LOCALE_PROVIDER ${provider}`);
    if (shape.locale !== null)
      parts.push(`${provider === 'icu' ? 'ICU_LOCALE' : 'BUILTIN_LOCALE'} ${quoteText(shape.locale)}`);
    if (shape.icuRules !== null && server >= 160000) parts.push(`ICU_RULES ${quoteText(shape.icuRules)}`);
  } else if (server >= 150000) {
    parts.push('LOCALE_PROVIDER libc');
  }
  return parts.join(' ');
}

export interface PropertyOptions {
  readonly privileges: boolean;
  /** Roles that the server has; settings and grants of others are left out. */
  readonly roles: ReadonlySet<string>;
}

/** Statements that give a database the properties that its dump does not carry. */
export function propertyStatements(
  name: string,
  database: Pick<LogicalDatabase, 'comment' | 'connectionLimit' | 'grants' | 'settings'>,
  { privileges, roles }: PropertyOptions,
): string[] {
  const quoted = quoteName(name);
  const statements: string[] = [];
  if (database.comment !== null)
    statements.push(`COMMENT ON DATABASE ${quoted} IS ${quoteText(database.comment)}`);
  for (const { role, name: setting, value } of database.settings) {
    if (role !== null && !roles.has(role)) continue;
    const of = role === null ? `DATABASE ${quoted}` : `ROLE ${quoteName(role)} IN DATABASE ${quoted}`;
    statements.push(`ALTER ${of} SET ${quoteSetting(setting)} TO ${settingValue(setting, value)}`);
  }
  if (privileges && database.grants !== null) {
    statements.push(`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC`);
    for (const { grantee, privilege, grantable } of database.grants) {
      if (grantee !== 'public' && !roles.has(grantee)) continue;
      const to = grantee === 'public' ? 'PUBLIC' : quoteName(grantee);
      const option = grantable ? ' WITH GRANT OPTION' : '';
      statements.push(`GRANT ${privilege} ON DATABASE ${quoted} TO ${to}${option}`);
    }
  }
  if (database.connectionLimit >= 0)
    statements.push(`ALTER DATABASE ${quoted} CONNECTION LIMIT ${database.connectionLimit}`);
  return statements;
}

const quoteSetting = (name: string): string => name.split('.').map(quoteName).join('.');

/** Settings whose value is a list of quoted names (GUC_LIST_QUOTE) are stored as that list, and written as it. */
const quotedLists = new Set([
  'search_path',
  'temp_tablespaces',
  'session_preload_libraries',
  'shared_preload_libraries',
  'local_preload_libraries',
  'unix_socket_directories',
]);
const settingValue = (name: string, value: string): string =>
  quotedLists.has(name.toLowerCase()) && value !== '' ? value : quoteText(value);

/**
 * Ends every other session of a database, such as those that a pooler keeps for later.
 * @throws LifeboatError `database-failed` where sessions do not end.
 */
export async function endSessions(session: SqlSession, name: string): Promise<void> {
  const deadline = performance.now() + releaseTimeoutMs;
  for (;;) {
    const users = await terminate(session, name);
    if (users.length === 0) return;
    if (performance.now() > deadline) throw notEnded(name, users);
    await setTimeout(releasePollMs);
  }
}

/**
 * Tells every other session of a database to end, and returns whose they are. Workers of autovacuum, which are of no
 * role and which only superusers may end, give way to whoever renames or drops.
 */
async function terminate(session: SqlSession, name: string): Promise<string[]> {
  const left = await session.query<{ user: string | null }>(
    `select usename::text as "user", pg_catalog.pg_terminate_backend(pid)
     from pg_catalog.pg_stat_activity where datname = $1 and pid <> pg_catalog.pg_backend_pid() and usesysid is not null`,
    [name],
  );
  return left.map(({ user }) => user ?? 'a role that was dropped');
}

const notEnded = (name: string, users: readonly string[]): LifeboatError =>
  new LifeboatError(
    'database-failed',
    `${users.length} sessions of ${[...new Set(users)].join(', ')} in the database ${name} did not end`,
    { hint: 'stop the programs that use the database, then run the restore again' },
  );

export async function allowConnections(session: SqlSession, name: string): Promise<void> {
  await session.query(`ALTER DATABASE ${quoteName(name)} WITH ALLOW_CONNECTIONS true`);
}

/** object_in_use */
const inUse = '55006';

export interface Swap {
  readonly name: string;
  readonly fresh: string;
  readonly aside: string;
}

/**
 * Puts `fresh` into the place of `name` in one transaction, ending the sessions of `name`; what was there is called
 * `aside` from then on, and has all that was committed. Renaming locks the name before it waits for sessions to end
 * (`RenameDatabase`, `CountOtherDBBackends`), and who connects waits behind that lock: so nothing is written to
 * `name` in between, and a transaction that is cut off leaves it open and as it was.
 * Nobody may be connected to `fresh`.
 * @param ending another session, as the first one waits.
 * @throws LifeboatError `database-failed` where sessions do not end, `database-permission` where they may not be ended.
 */
export async function swapDatabases(session: SqlSession, ending: SqlSession, swap: Swap): Promise<void> {
  const deadline = performance.now() + releaseTimeoutMs;
  for (;;) {
    try {
      return await swapOnce(session, ending, swap);
    } catch (error) {
      if (sqlStateOf(error) !== inUse) throw error;
      if (performance.now() > deadline) throw notEnded(swap.name, await terminate(ending, swap.name));
    }
  }
}

async function swapOnce(
  session: SqlSession,
  ending: SqlSession,
  { name, fresh, aside }: Swap,
): Promise<void> {
  await session.query('BEGIN');
  try {
    let waiting = true;
    const renamed = session
      .query(`ALTER DATABASE ${quoteName(name)} RENAME TO ${quoteName(aside)}`)
      .finally(() => {
        waiting = false;
      });
    renamed.catch(() => undefined); // told below, unless the sessions could not be ended
    while (waiting) {
      await terminate(ending, name);
      await Promise.race([setTimeout(releasePollMs), renamed]);
    }
    await renamed;
    await session.query(`ALTER DATABASE ${quoteName(fresh)} RENAME TO ${quoteName(name)}`);
    await session.query('COMMIT');
  } catch (error) {
    await session.cancel(); // does nothing unless it still waits
    // A connection that is lost has rolled back by itself.
    await session.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

export async function renameDatabase(session: SqlSession, name: string, to: string): Promise<void> {
  await session.query(`ALTER DATABASE ${quoteName(name)} RENAME TO ${quoteName(to)}`);
}

/** @param server server_version_num: from 13 on the server ends sessions by itself. */
export async function dropDatabase(session: SqlSession, name: string, server: number): Promise<void> {
  const force = server >= 130000 ? ' WITH (FORCE)' : '';
  await session.query(`DROP DATABASE IF EXISTS ${quoteName(name)}${force}`);
}
