import { LifeboatError } from '../../../core/errors.ts';
import { readObjects } from '../../../sources/postgres/logical/restore-target.ts';
import {
  entriesOfSchema,
  entriesOfTables,
  findTable,
  type TableName,
  type TocEntry,
} from '../../../sources/postgres/logical/toc.ts';
import type { LogicalRestoreRequest, PlannedSelection, RestoreWay } from './request.ts';

/** Some tables and schemas of a dump. */

const named = ({ schema, table }: TableName): string => `${schema}.${table}`;

/** The tables among entries, by name; a name with blanks in its schema is cut at the first one. */
function tablesAmong(entries: readonly TocEntry[], schema: string): TableName[] {
  return entries
    .filter(({ kind }) => kind === 'TABLE' || kind === 'FOREIGN TABLE')
    .map(({ rest }) => ({ schema, table: rest.slice(schema.length + 1, rest.lastIndexOf(' ')) }));
}

/**
 * @returns null where everything is restored.
 * @throws LifeboatError `usage` for what the dump has not, and for tables that are there and shall not be dropped.
 */
export async function planSelection(
  request: LogicalRestoreRequest,
  toc: readonly TocEntry[],
  target: string,
  way: RestoreWay,
): Promise<PlannedSelection | null> {
  const { tables, schemas, drop } = request;
  if (tables.length + schemas.length === 0) return null;
  const found = tables.map((table) => {
    const entry = findTable(toc, table);
    if (entry) return entry;
    throw new LifeboatError('usage', `the dump has no table ${named(table)}`, {
      hint: 'give it as SCHEMA.TABLE, with capitals as the database has them',
    });
  });
  const chosen = new Set(entriesOfTables(toc, found));
  const wanted: TableName[] = [...tables];
  for (const schema of schemas) {
    const entries = entriesOfSchema(toc, schema);
    if (entries.length === 0) throw new LifeboatError('usage', `the dump has no schema ${schema}`);
    for (const entry of entries) chosen.add(entry);
    wanted.push(...tablesAmong(entries, schema));
  }
  const allSchemas = [...new Set([...schemas, ...tables.map(({ schema }) => schema)])];
  const there =
    way === 'objects'
      ? await readObjects(
          request.settings.with({ database: target }),
          { tables: wanted, schemas: allSchemas },
          request.signal,
        )
      : { tables: [], schemas: ['public'] };
  if (there.tables.length > 0 && !drop) {
    throw new LifeboatError('usage', `${target} has ${there.tables.map(named).join(', ')} already`, {
      hint: 'replace what is there with --drop, or restore into another database with --as NAME',
    });
  }
  const missingSchemas = allSchemas.filter((schema) => !there.schemas.includes(schema));
  const entries = toc.filter((entry) => chosen.has(entry) && !(entry.kind === 'SCHEMA'));
  return {
    tables,
    schemas,
    missingSchemas,
    replaced: there.tables,
    list: `${entries.map(({ line }) => line).join('\n')}\n`,
  };
}
