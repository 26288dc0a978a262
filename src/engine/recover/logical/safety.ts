import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import {
  type LogicalBackupOptions,
  type LogicalSource,
  lockWaitDefaultMs,
  wholeDatabase,
} from '../../../sources/postgres/logical/options.ts';
import { createLogicalSource } from '../../../sources/postgres/logical/source.ts';
import { quoteName } from '../../../sources/postgres/logical/sql-text.ts';
import type { TableName } from '../../../sources/postgres/logical/toc.ts';

/** A backup of what a restore overwrites. */

/** What is backed up. */
export interface Overwritten {
  /** As the server calls it now. */
  readonly database: string;
  /** As it was called before the restore, and is in the snapshot. */
  readonly name: string;
  /** Only these; empty: all of it. */
  readonly tables: readonly TableName[];
}

/** @throws LifeboatError where the backup is not whole: nothing of what it was to hold is dropped then. */
export type SafetyBackup = (what: Overwritten) => Promise<void>;

/**
 * The source of a safety backup. It is tagged so that no later restore takes it for a usual snapshot: it comes back
 * when it is named by its ID.
 */
export function safetySource(
  { database, name, tables }: Overwritten,
  settings: ConnectionSettings,
  more: Pick<LogicalBackupOptions, 'source' | 'binDirectory' | 'scratch' | 'signal'>,
): LogicalSource {
  return createLogicalSource({
    settings: settings.with({ database }),
    databases: [database],
    ...(name === database ? {} : { recordedAs: { database, name } }),
    allDatabases: false,
    selection: {
      ...wholeDatabase,
      includeTables: tables.map(({ schema, table }) => `${quoteName(schema)}.${quoteName(table)}`),
    },
    jobs: 1,
    lockWaitMs: lockWaitDefaultMs,
    previous: null,
    purpose: 'safety',
    ...more,
  });
}
