/** The table of contents of a dump, as `pg_restore --list --verbose` prints it (pg_backup_archiver.c, PrintTOCSummary). */

export interface TocEntry {
  readonly id: number;
  /** The line as `--use-list` takes it. */
  readonly line: string;
  /** Such as `TABLE DATA`. */
  readonly kind: string;
  /** Schema, name and owner, separated by blanks as the names themselves may have; `-` for no schema. */
  readonly rest: string;
  readonly dependsOn: readonly number[];
}

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** Kinds of more than one word; of two that fit, the longer one is meant. */
const kindsOfWords = [
  'ACCESS METHOD',
  'BLOB METADATA',
  'CHECK CONSTRAINT',
  'DATABASE PROPERTIES',
  'DEFAULT ACL',
  'EVENT TRIGGER',
  'FK CONSTRAINT',
  'FOREIGN DATA WRAPPER',
  'FOREIGN TABLE',
  'INDEX ATTACH',
  'MATERIALIZED VIEW DATA',
  'MATERIALIZED VIEW',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'PROCEDURAL LANGUAGE',
  'PUBLICATION TABLES IN SCHEMA',
  'PUBLICATION TABLE',
  'ROW SECURITY',
  'SECURITY LABEL',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'SHELL TYPE',
  'STATISTICS DATA',
  'SUBSCRIPTION TABLE',
  'TABLE ATTACH',
  'TABLE DATA',
  'TEXT SEARCH CONFIGURATION',
  'TEXT SEARCH DICTIONARY',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
  'USER MAPPING',
];

export function parseToc(listing: string): TocEntry[] {
  const entries: (Omit<TocEntry, 'dependsOn'> & { dependsOn: number[] })[] = [];
  for (const line of listing.split('\n')) {
    const dependencies = /^;\s+depends on:((?: \d+)+)/.exec(line)?.[1];
    if (dependencies !== undefined) {
      entries.at(-1)?.dependsOn.push(...dependencies.trim().split(' ').map(Number));
      continue;
    }
    const match = /^(\d+); \d+ \d+ (.*)$/.exec(line);
    if (!match) continue;
    const said = match[2]!;
    const kind = kindsOfWords.find((each) => said.startsWith(`${each} `)) ?? said.slice(0, said.indexOf(' '));
    entries.push({
      id: Number(match[1]),
      line,
      kind,
      rest: said.slice(kind.length + 1),
      dependsOn: [],
    });
  }
  return entries;
}

/** What belongs to a table and depends on it. */
const partsOfTables = new Set([
  'ACL',
  'CHECK CONSTRAINT',
  'COMMENT',
  'CONSTRAINT',
  'DEFAULT',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'POLICY',
  'ROW SECURITY',
  'RULE',
  'SECURITY LABEL',
  'SEQUENCE',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'STATISTICS',
  'STATISTICS DATA',
  'TABLE ATTACH',
  'TABLE DATA',
  'TRIGGER',
]);

const tableKinds = new Set(['TABLE', 'FOREIGN TABLE', 'MATERIALIZED VIEW', 'VIEW']);

/** null where the dump has no such table. */
export function findTable(toc: readonly TocEntry[], { schema, table }: TableName): TocEntry | null {
  const found = toc.filter(
    ({ kind, rest }) => tableKinds.has(kind) && rest.startsWith(`${schema} ${table} `),
  );
  // `a b` begins with `a` too: the one whose rest is shortest is that of this very name.
  return found.sort((a, b) => a.rest.length - b.rest.length)[0] ?? null;
}

/**
 * The entries of tables and of all that is theirs: data, indexes, constraints, triggers, sequences, comments and
 * rights, and of the partitions of partitioned tables. In the order of the archive.
 */
export function entriesOfTables(toc: readonly TocEntry[], tables: readonly TocEntry[]): TocEntry[] {
  const byId = new Map(toc.map((entry) => [entry.id, entry]));
  const chosen = new Set(tables.map(({ id }) => id));
  /** Sequences and partitions are known only by what ties them to the table, so more than one round is needed. */
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const entry of toc) {
      if (chosen.has(entry.id) || !partsOfTables.has(entry.kind)) continue;
      const owners = entry.dependsOn.filter((id) => chosen.has(id)).map((id) => byId.get(id)!);
      if (owners.length === 0 || !isPartOf(entry, owners)) continue;
      chosen.add(entry.id);
      if (entry.kind !== 'SEQUENCE OWNED BY' && entry.kind !== 'TABLE ATTACH') continue;
      for (const id of entry.dependsOn)
        if (byId.get(id)?.kind === 'SEQUENCE' || byId.get(id)?.kind === 'TABLE') chosen.add(id);
    }
  }
  return toc.filter(({ id }) => chosen.has(id));
}

/** A foreign key depends on both tables but is part of one; so it is with partitions. */
function isPartOf(entry: TocEntry, owners: readonly TocEntry[]): boolean {
  const named = ({ rest }: TocEntry): boolean =>
    entry.rest.startsWith(`${rest.slice(0, rest.lastIndexOf(' '))} `);
  if (entry.kind === 'FK CONSTRAINT') return owners.some(named);
  if (entry.kind === 'TABLE ATTACH') return !owners.every(named);
  return true;
}

/** All entries of a schema, and the schema itself. */
export function entriesOfSchema(toc: readonly TocEntry[], schema: string): TocEntry[] {
  return toc.filter(
    ({ kind, rest }) =>
      rest.startsWith(`${schema} `) ||
      (kind === 'SCHEMA' && rest.startsWith(`- ${schema} `)) ||
      (/^(?:ACL|COMMENT|SECURITY LABEL)$/.test(kind) && rest.startsWith(`- SCHEMA ${schema} `)),
  );
}
