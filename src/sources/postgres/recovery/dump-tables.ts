import { LifeboatError } from '../../../core/errors.ts';
import { runTool, toolFailure } from '../../../transport/run-tool.ts';
import { openSqlSession } from '../connection/session.ts';
import type { ConnectionSettings } from '../connection/settings.ts';
import { withToolEnvironment } from '../connection/tool-environment.ts';
import { findTool } from '../connection/tools.ts';

/** Single tables out of a server and into another. */

export interface TableOfSchema {
  readonly schema: string;
  readonly table: string;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const qualified = ({ schema, table }: TableOfSchema): string => `${quoted(schema)}.${quoted(table)}`;

/** Those of the tables that the database has. @throws LifeboatError as `openSqlSession`. */
export async function existingTables(
  settings: ConnectionSettings,
  tables: readonly TableOfSchema[],
): Promise<TableOfSchema[]> {
  const session = await openSqlSession(settings);
  try {
    const found: TableOfSchema[] = [];
    for (const table of tables) {
      const [row] = await session.query<{ there: boolean }>(
        'select pg_catalog.to_regclass($1) is not null as there',
        [qualified(table)],
      );
      if (row?.there) found.push(table);
    }
    return found;
  } finally {
    await session.close();
  }
}

export interface TableDump {
  readonly settings: ConnectionSettings;
  readonly major: number;
  readonly binDirectory: string | null;
  readonly tables: readonly TableOfSchema[];
  readonly file: string;
  readonly signal: AbortSignal;
}

/** Writes a dump for pg_restore. @throws LifeboatError `tool-failed`, `tool-missing`, `cancelled`. */
export async function dumpTables({
  settings,
  major,
  binDirectory,
  tables,
  file,
  signal,
}: TableDump): Promise<void> {
  const { path } = await findTool('pg_dump', { major, binDirectory });
  await withToolEnvironment(settings, async (env, given) => {
    const command = {
      program: path,
      args: [...given, '-Fc', '-Z0', ...tables.flatMap((table) => ['-t', qualified(table)]), '-f', file],
      env: { ...env, LC_ALL: 'C' },
      cwd: '/',
      signal,
      secrets: settings.secrets,
    };
    const result = await runTool(command);
    if (result.status !== 0) throw toolFailure(command, result);
  });
}

export interface TableLoad extends Omit<TableDump, 'tables'> {
  /** Drop what is there first. */
  readonly drop: boolean;
  readonly owner: boolean;
  readonly privileges: boolean;
}

/** Loads such a dump as a whole or not at all. @throws LifeboatError `tool-failed`, `tool-missing`, `cancelled`. */
export async function loadTables(load: TableLoad): Promise<void> {
  const { settings, major, binDirectory, file, drop, owner, privileges, signal } = load;
  const { path } = await findTool('pg_restore', { major, binDirectory });
  await withToolEnvironment(settings, async (env, given) => {
    const command = {
      program: path,
      args: [
        ...given,
        ...['--single-transaction', '--exit-on-error', '-d', settings.database],
        ...(drop ? ['--clean', '--if-exists'] : []),
        ...(owner ? [] : ['--no-owner']),
        ...(privileges ? [] : ['--no-privileges']),
        file,
      ],
      env: { ...env, LC_ALL: 'C' },
      cwd: '/',
      signal,
      secrets: settings.secrets,
    };
    const result = await runTool(command);
    if (result.status === 0) return;
    const failure = toolFailure(command, result);
    if (!/permission denied|must be (?:owner|able|member)/.test(failure.message)) throw failure;
    throw new LifeboatError('tool-failed', failure.message, {
      cause: failure,
      hint: `the role ${settings.user} may not make the table: name one that may with --url, or write a dump with --output FILE`,
    });
  });
}
