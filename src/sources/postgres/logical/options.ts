import type { LogicalManifest } from '../../../model/postgres-manifest.ts';
import type { EntrySource } from '../../../model/source-entry.ts';
import type { ConnectionSettings } from '../connection/settings.ts';

/** What a logical backup is to do. */
export interface LogicalBackupOptions {
  /** Name of the source; the snapshot's top folder. */
  readonly source: string;
  readonly settings: ConnectionSettings;
  /** Folder of pg_dump; null: found by version. */
  readonly binDirectory: string | null;
  /** Databases to dump; empty: the one that `settings` connects to, or all where `allDatabases`. */
  readonly databases: readonly string[];
  readonly allDatabases: boolean;
  readonly selection: DumpSelection;
  /** Above 1 each database is dumped by so many connections, through a scratch folder. */
  readonly jobs: number;
  /** null: the system's folder for temporary files. */
  readonly scratch: string | null;
  /** How long a dump waits for a table that another transaction has locked. */
  readonly lockWaitMs: number;
  /** Of the last snapshot of this source, whose way to cut dumps is kept; null where there is none. */
  readonly previous: LogicalManifest | null;
  /** `safety`: taken before a restore overwrites something, and never chosen for a restore by itself. */
  readonly purpose?: 'safety';
  /** One of `databases` that is put aside, and the name that it had before and has in the snapshot. */
  readonly recordedAs?: { readonly database: string; readonly name: string };
  readonly signal: AbortSignal;
}

/** Patterns are those of pg_dump: of psql's \d, `*` and `?` match as in a shell. */
export interface DumpSelection {
  readonly schemaOnly: boolean;
  readonly includeSchemas: readonly string[];
  readonly excludeSchemas: readonly string[];
  readonly includeTables: readonly string[];
  readonly excludeTables: readonly string[];
}

export const wholeDatabase: DumpSelection = {
  schemaOnly: false,
  includeSchemas: [],
  excludeSchemas: [],
  includeTables: [],
  excludeTables: [],
};

/** Long enough for every ordinary statement; a dump that waits longer also makes the application wait behind it. */
export const lockWaitDefaultMs = 60_000;

export interface LogicalSource extends EntrySource {
  /** What was written as the manifest; null until the entries have ended. */
  manifest(): LogicalManifest | null;
}
