import { messageOf } from '../../../core/errors.ts';
import type { SqlSession } from '../connection/session.ts';
import { splitStatements } from './sql-text.ts';

/** Bringing back roles and tablespaces. What the server has already is left as it is. */

export interface GlobalsReport {
  readonly rolesCreated: number;
  /** Roles that were there before: neither their rights nor their passwords are touched. */
  readonly rolesSkipped: readonly string[];
  /** What the server refused, without the statement, which may hold a password. */
  readonly problems: readonly string[];
}

const roleStatement = /^(?:CREATE|ALTER) ROLE ("(?:[^"]|"")*"|[^\s;]+)/;
const unquote = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;

/** What a statement is about, for people. */
const subject = (statement: string): string =>
  statement.split(/\s+/, 3).join(' ').slice(0, 100).replace(/;$/, '');

/** @param script globals.sql of a snapshot. */
export async function restoreGlobals(session: SqlSession, script: string): Promise<GlobalsReport> {
  const rows = await session.query<{ name: string }>('select rolname::text as name from pg_catalog.pg_roles');
  const before = new Set(rows.map(({ name }) => name));
  const skipped = new Set<string>();
  const problems: string[] = [];
  let created = 0;
  for (const statement of splitStatements(script)) {
    // The session has its own settings.
    if (/^SET /.test(statement) || /^SELECT pg_catalog\.set_config/.test(statement)) continue;
    const role = roleStatement.exec(statement)?.[1];
    if (role !== undefined && before.has(unquote(role))) {
      skipped.add(unquote(role));
      continue;
    }
    try {
      await session.query(statement);
      if (/^CREATE ROLE /.test(statement)) created++;
    } catch (error) {
      problems.push(`${subject(statement)}: ${messageOf(error)}`);
    }
  }
  return { rolesCreated: created, rolesSkipped: [...skipped].sort(), problems };
}
