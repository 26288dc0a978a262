import { LifeboatError } from '../../../core/errors.ts';
import type { LogicalDatabase } from '../../../model/postgres-manifest.ts';
import type { SqlSession } from '../connection/session.ts';

/** What the server's catalogue says of databases. */

export type DatabaseFacts = Omit<LogicalDatabase, 'path' | 'format' | 'bytes' | 'chunkBytes' | 'dumpTime'>;

interface Row {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly owner: string;
  readonly encoding: string;
  readonly bytes: string | null;
  readonly comment: string | null;
  readonly grants: DatabaseFacts['grants'];
  readonly settings: readonly { readonly role: string | null; readonly setting: string }[] | null;
}

/** Columns of pg_database differ between versions, so the row is taken whole. */
const databasesQuery = `
  select to_jsonb(d) - 'datacl' as facts,
    pg_catalog.pg_get_userbyid(d.datdba) as owner,
    pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    case when pg_catalog.has_database_privilege(d.oid, 'CONNECT')
      then pg_catalog.pg_database_size(d.oid)::text end as bytes,
    pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
    case when d.datacl is null then null else (
      select g.all_grants from (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
          'grantee', case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end,
          'privilege', a.privilege_type, 'grantable', a.is_grantable)) as all_grants
        from pg_catalog.aclexplode(d.datacl) a) g) end as grants,
    (select pg_catalog.json_agg(pg_catalog.json_build_object(
        'role', case when s.setrole = 0 then null else pg_catalog.pg_get_userbyid(s.setrole) end,
        'setting', c.setting))
      from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c(setting)
      where s.setdatabase = d.oid) as settings
  from pg_catalog.pg_database d`;

const asText = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function parse({ facts, owner, encoding, bytes, comment, grants, settings }: Row): DatabaseFacts {
  const collate = asText(facts.datcollate) ?? 'C';
  return {
    name: String(facts.datname),
    owner,
    encoding,
    collate,
    ctype: asText(facts.datctype) ?? collate,
    localeProvider: asText(facts.datlocprovider) ?? 'c',
    locale: asText(facts.datlocale) ?? asText(facts.daticulocale),
    icuRules: asText(facts.daticurules),
    comment,
    connectionLimit: Number(facts.datconnlimit ?? -1),
    grants: grants ?? null,
    settings: (settings ?? []).map(({ role, setting }) => {
      const equals = setting.indexOf('=');
      return { role, name: setting.slice(0, equals), value: setting.slice(equals + 1) };
    }),
    databaseBytes: Number(bytes ?? 0),
  };
}

/** Every database that takes connections and is no template, by name. */
export async function listUserDatabases(session: SqlSession): Promise<DatabaseFacts[]> {
  const rows = await session.query<Row>(
    `${databasesQuery} where d.datallowconn and not d.datistemplate order by d.datname`,
  );
  return rows.map(parse);
}

/** null where there is none of that name. */
export async function findDatabase(session: SqlSession, name: string): Promise<DatabaseFacts | null> {
  const rows = await session.query<Row>(`${databasesQuery} where d.datname = $1`, [name]);
  return rows.length === 0 ? null : parse(rows[0]!);
}

/**
 * The databases that a backup takes.
 * @throws LifeboatError `source-unreadable` where one that was named is missing.
 */
export async function chooseDatabases(
  session: SqlSession,
  asked: { readonly databases: readonly string[]; readonly allDatabases: boolean; readonly current: string },
): Promise<DatabaseFacts[]> {
  if (asked.allDatabases) return listUserDatabases(session);
  const names = asked.databases.length > 0 ? asked.databases : [asked.current];
  const chosen: DatabaseFacts[] = [];
  for (const name of new Set(names)) {
    const found = await findDatabase(session, name);
    if (!found) {
      const there = (await listUserDatabases(session)).map((each) => each.name).join(', ');
      throw new LifeboatError('source-unreadable', `there is no database ${JSON.stringify(name)}`, {
        hint: `the server has ${there}`,
      });
    }
    chosen.push(found);
  }
  return chosen;
}

/** The server's clock, RFC 3339 in UTC with milliseconds. */
export async function serverTime(session: SqlSession): Promise<string> {
  const [row] = await session.query<{ now: string }>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as now`,
  );
  return row!.now;
}
