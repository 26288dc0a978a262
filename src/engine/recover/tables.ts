import { chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { LifeboatError } from '../../core/errors.ts';
import { majorOf } from '../../sources/postgres/connection/server.ts';
import type { ConnectionSettings } from '../../sources/postgres/connection/settings.ts';
import {
  dumpTables,
  existingTables,
  loadTables,
  type TableOfSchema,
} from '../../sources/postgres/recovery/dump-tables.ts';
import { superuserOf } from '../../sources/postgres/recovery/inspection.ts';
import type { RecoveryPlace } from './cluster-log.ts';
import { executeRecovery, type RecoverEvents, type RecoveryReport } from './execute.ts';
import { copyNote, type RecoveryPlan } from './plan.ts';
import { lastCommitOf, type PreparedRecovery, prepareRecovery, type RecoveryOptions } from './prepare.ts';

/** Single tables out of a physical backup at a point in time, by way of a scratch server that is removed again. */

export interface TableRestoreOptions
  extends Omit<
    RecoveryOptions,
    'dataDirectory' | 'tablespaces' | 'start' | 'standby' | 'amcheck' | 'stopServer'
  > {
  readonly tables: readonly TableOfSchema[];
  readonly database: string;
  /** Where the scratch server may lie; null: the system's folder for temporary files. */
  readonly scratch: string | null;
  readonly binDirectory: string | null;
  readonly users: readonly string[];
  readonly goal:
    | { readonly kind: 'file'; readonly path: string }
    | {
        readonly kind: 'database';
        readonly settings: ConnectionSettings;
        readonly drop: boolean;
        readonly owner: boolean;
        readonly privileges: boolean;
      };
}

/** A restore of tables that is planned; `close` removes the scratch folder, whatever happened. */
export interface PreparedTables {
  readonly prepared: PreparedRecovery;
  readonly folder: string;
  close(): void;
}

export interface TableRestoreReport {
  readonly recovery: RecoveryReport;
  readonly tables: readonly string[];
  /** Of the dump. */
  readonly bytes: number;
  readonly durationMs: number;
}

const shown = ({ schema, table }: TableOfSchema): string => `${schema}.${table}`;

/** @throws LifeboatError `recovery-target-not-empty` for tables that are there and are not to be replaced. */
async function refuseExisting({ goal, tables, database }: TableRestoreOptions): Promise<void> {
  if (goal.kind !== 'database' || goal.drop) return;
  const there = await existingTables(goal.settings, tables);
  if (there.length === 0) return;
  throw new LifeboatError(
    'recovery-target-not-empty',
    `the database ${database} has ${there.map(shown).join(', ')} already; nothing was changed`,
    { hint: 'rename it first, replace it with --drop, or write a dump with --output FILE' },
  );
}

/** @throws LifeboatError as `prepareRecovery`, and `recovery-target-not-empty`. */
export async function prepareTables(
  places: readonly RecoveryPlace[],
  options: TableRestoreOptions,
): Promise<PreparedTables> {
  await refuseExisting(options);
  const folder = mkdtempSync(join(resolve(options.scratch ?? tmpdir()), 'lifeboat-scratch-'));
  const close = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    const common = {
      ...options,
      dataDirectory: join(folder, 'data'),
      start: true,
      standby: false,
      amcheck: false,
      stopServer: false,
    };
    const tablespaces = (oid: number): string => join(folder, 'tablespaces', String(oid));
    const recovery = await prepareRecovery(places, { ...common, tablespaces, port: undefined });
    const prepared = { ...recovery, plan: planOfTables(recovery.plan, options) };
    const { account } = prepared;
    mkdirSync(join(folder, 'tablespaces'), { mode: 0o700 });
    for (const made of [folder, join(folder, 'tablespaces')])
      if (account) chownSync(made, account.uid, account.gid);
    return { prepared, folder, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The server is nobody's but ours, so what a copy needs is of no interest. */
function planOfTables(plan: RecoveryPlan, { tables, goal, database }: TableRestoreOptions): RecoveryPlan {
  const names = tables.map(shown).join(', ');
  const place = goal.kind === 'file' ? goal.path : `the database ${database}`;
  return {
    ...plan,
    notes: plan.notes.filter((note) => note !== copyNote),
    steps: [
      'fetch the data directory into a scratch folder',
      'start a server there that only this program can reach, and feed it the log',
      'verify that the recovery ended where it was asked to',
      `dump ${names}`,
      goal.kind === 'file'
        ? `write the dump to ${place}`
        : `${goal.drop ? 'replace' : 'load'} ${names} in ${place}, as a whole or not at all`,
      'remove the scratch server and its folder',
    ],
  };
}

/** Small: it serves one dump. */
const scratchSettings = {
  archive_mode: 'off',
  shared_buffers: '64MB',
  huge_pages: 'off',
  fsync: 'off',
  full_page_writes: 'off',
  shared_preload_libraries: '',
};

/** @throws LifeboatError as `executeRecovery`; `tool-failed` where the dump or the loading fails. The folder stays: `close` it. */
export async function restoreTables(
  { prepared, folder }: PreparedTables,
  options: TableRestoreOptions,
  events: RecoverEvents,
): Promise<TableRestoreReport> {
  const startedMs = performance.now();
  const { tables, database, goal, binDirectory, signal } = options;
  const file = join(folder, 'tables.dump');
  const major = majorOf(prepared.manifest.serverVersion);
  const recovery = await executeRecovery({
    ...prepared,
    workers: options.workers,
    binDirectory,
    signal,
    scratch: true,
    serverSettings: scratchSettings,
    lastCommitMs: () => lastCommitOf(prepared),
    async inspect(server) {
      events.phase(`dumping ${tables.map(shown).join(', ')}`);
      const superuser = await superuserOf(server, [...options.users, 'postgres', userInfo().username]);
      if (!superuser)
        throw new LifeboatError(
          'recovery-failed',
          'the recovered cluster knows none of the superusers that were tried',
          {
            hint: 'let the source connect as a superuser of the cluster',
          },
        );
      await dumpTables({ settings: superuser.with({ database }), major, binDirectory, tables, file, signal });
    },
    events,
  });
  const { size } = statSync(file);
  if (goal.kind === 'file') copyFileSync(file, goal.path);
  else {
    events.phase(`loading ${tables.map(shown).join(', ')} into ${database}`);
    const { settings, drop, owner, privileges } = goal;
    await loadTables({ settings, major, binDirectory, file, drop, owner, privileges, signal });
  }
  return { recovery, tables: tables.map(shown), bytes: size, durationMs: performance.now() - startedMs };
}
