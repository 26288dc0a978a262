import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import {
  type LogicalBackupOptions,
  type LogicalSource,
  lockWaitDefaultMs,
  wholeDatabase,
} from '../../../sources/postgres/logical/options.ts';
import { createLogicalSource } from '../../../sources/postgres/logical/source.ts';
import { quoteName } from '../../../sources/postgres/logical/sql-text.ts';
import type { LogicalRestorePlan } from './request.ts';

/** A backup of what a restore is about to overwrite. */

/**
 * The source of the safety backup that a plan asks for; null where it asks for none. It is tagged so that no later
 * restore takes it for a usual snapshot: it comes back when it is named by its ID.
 */
export function safetySource(
  plan: LogicalRestorePlan,
  settings: ConnectionSettings,
  more: Pick<LogicalBackupOptions, 'binDirectory' | 'scratch' | 'signal'>,
): LogicalSource | null {
  if (plan.safetyBackup.length === 0) return null;
  const affected = plan.databases.filter(({ target }) => plan.safetyBackup.includes(target));
  // Selections are of one database only.
  const replaced = affected.length === 1 ? (affected[0]!.selection?.replaced ?? []) : [];
  return createLogicalSource({
    source: plan.source,
    settings: settings.with({ database: plan.safetyBackup[0]! }),
    databases: plan.safetyBackup,
    allDatabases: false,
    selection: {
      ...wholeDatabase,
      includeTables: replaced.map(({ schema, table }) => `${quoteName(schema)}.${quoteName(table)}`),
    },
    jobs: 1,
    lockWaitMs: lockWaitDefaultMs,
    previous: null,
    purpose: 'safety',
    ...more,
  });
}
