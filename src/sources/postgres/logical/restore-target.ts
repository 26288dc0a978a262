import { hasCode, LifeboatError } from '../../../core/errors.ts';
import { requireOwnSession } from '../connection/pooler.ts';
import { readServerFacts, type ServerFacts } from '../connection/server.ts';
import { openSqlSession, type SqlSession } from '../connection/session.ts';
import type { ConnectionSettings } from '../connection/settings.ts';
import { type DatabaseFacts, findDatabase } from './databases.ts';
import { quoteName } from './sql-text.ts';
import type { TableName } from './toc.ts';
import { withSession } from './with-session.ts';

/** What a restore needs to know about the server that it goes to. */

export interface TargetServer {
  readonly facts: ServerFacts;
  readonly mayCreateDatabases: boolean;
  readonly roles: ReadonlySet<string>;
}

export interface ExistingDatabase extends DatabaseFacts {
  /** Whether the role may rename and drop it. */
  readonly mayReplace: boolean;
  /** Sessions of others. */
  readonly sessions: number;
  /** False where the server lets nobody in, not even a backup. */
  readonly takesConnections: boolean;
  /** Names of prepared transactions: while there are any, the server does not let the database be renamed. */
  readonly preparedTransactions: readonly string[];
  /** Logical replication slots, which end with the database. */
  readonly slots: readonly string[];
  /** Subscriptions of logical replication: while there are any, the server does not let the database be dropped. */
  readonly subscriptions: readonly string[];
}

/** Databases that every server has, or nearly so. */
const usualDatabases = ['postgres', 'template1', 'defaultdb'];

/**
 * A session of a database that the restore does not replace.
 * @throws LifeboatError of the first that was tried, where none lets us in.
 */
export async function openMaintenance(
  settings: ConnectionSettings,
  replaced: readonly string[],
  signal: AbortSignal,
): Promise<SqlSession> {
  const candidates = [...new Set([settings.database, ...usualDatabases])].filter(
    (name) => !replaced.includes(name),
  );
  let first: unknown = null;
  for (const database of candidates) {
    try {
      return await openSqlSession(settings.with({ database }), {
        signal,
        applicationName: 'lifeboat restore',
      });
    } catch (error) {
      if (!hasCode(error, 'database-missing', 'database-permission', 'database-login-refused')) throw error;
      first ??= error;
    }
  }
  throw first ?? new LifeboatError('database-missing', 'there is no other database to connect to meanwhile');
}

export async function readTargetServer(session: SqlSession): Promise<TargetServer> {
  const facts = await readServerFacts(session);
  requireOwnSession(facts, session, 'a restore of dumps');
  if (facts.inRecovery) {
    throw new LifeboatError('database-failed', 'the server is a standby, which takes no changes', {
      hint: 'restore to its primary',
    });
  }
  const [role] = await session.query<{ may: boolean }>(
    'select rolsuper or rolcreatedb as may from pg_catalog.pg_roles where rolname = current_user',
  );
  const roles = await session.query<{ name: string }>(
    'select rolname::text as name from pg_catalog.pg_roles',
  );
  return {
    facts,
    mayCreateDatabases: role?.may ?? false,
    roles: new Set(roles.map(({ name }) => name)),
  };
}

/** null where there is none of that name. */
export async function readExisting(session: SqlSession, name: string): Promise<ExistingDatabase | null> {
  const found = await findDatabase(session, name);
  if (!found) return null;
  const [row] = await session.query<Omit<ExistingDatabase, keyof DatabaseFacts>>(
    `select pg_catalog.pg_has_role(current_user, d.datdba, 'USAGE') as "mayReplace",
       (select count(*)::int from pg_catalog.pg_stat_activity a
        where a.datid = d.oid and a.pid <> pg_catalog.pg_backend_pid()) as sessions,
       d.datallowconn as "takesConnections",
       array(select gid from pg_catalog.pg_prepared_xacts where database = d.datname) as "preparedTransactions",
       array(select slot_name::text from pg_catalog.pg_replication_slots where datoid = d.oid) as slots,
       array(select subname::text from pg_catalog.pg_subscription where subdbid = d.oid) as subscriptions
     from pg_catalog.pg_database d where d.datname = $1`,
    [name],
  );
  if (!row) return null;
  return { ...found, ...row };
}

/** Which of these schemas and tables a database has. */
export async function readObjects(
  settings: ConnectionSettings,
  wanted: { readonly tables: readonly TableName[]; readonly schemas: readonly string[] },
  signal: AbortSignal,
): Promise<{ readonly tables: readonly TableName[]; readonly schemas: readonly string[] }> {
  return withSession(settings, signal, async (session) => {
    const schemas = await session.query<{ name: string }>(
      'select nspname::text as name from pg_catalog.pg_namespace where nspname = any ($1)',
      [wanted.schemas],
    );
    const tables: TableName[] = [];
    for (const table of wanted.tables) {
      const [row] = await session.query<{ there: boolean }>(
        'select pg_catalog.to_regclass($1) is not null as there',
        [`${quoteName(table.schema)}.${quoteName(table.table)}`],
      );
      if (row?.there) tables.push(table);
    }
    return { tables, schemas: schemas.map(({ name }) => name) };
  });
}

/** Tables of a database that a dump would hold: neither the system's nor an extension's. */
export async function countTables(settings: ConnectionSettings, signal: AbortSignal): Promise<number> {
  return withSession(settings, signal, async (session) => {
    const [row] = await session.query<{ tables: number }>(
      `select count(*)::int as tables
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
         and n.nspname not like 'pg\\_toast%' and n.nspname not like 'pg\\_temp%'
         and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass
           and d.objid = c.oid and d.deptype = 'e')`,
    );
    return row?.tables ?? 0;
  });
}
