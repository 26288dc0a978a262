import { postgresConnection } from '../app/postgres-connection.ts';
import { runSourceHooks } from '../app/source-hooks.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { readGround, runBackup } from '../engine/backup/backup.ts';
import { readManifest } from '../engine/look/read-manifest.ts';
import type { HookEvents } from '../engine/recover/hooks.ts';
import { chooseLogicalSnapshot, type LogicalChoice } from '../engine/recover/logical/choose.ts';
import { executeLogicalRestore, type LogicalRestoreReport } from '../engine/recover/logical/execute.ts';
import { planLogicalRestore } from '../engine/recover/logical/plan.ts';
import {
  type LogicalRestorePlan,
  type LogicalRestoreRequest,
  overwrites,
} from '../engine/recover/logical/request.ts';
import { type SafetyBackup, safetySource } from '../engine/recover/logical/safety.ts';
import { parseTableName } from '../engine/recover/logical/table-name.ts';
import { parseZonedTime } from '../engine/recover/zoned-time.ts';
import type { Configuration, PostgresSource } from '../model/configuration.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { openBlobReader } from '../repository/blob-reader.ts';
import { loadIndex } from '../repository/index/blob-index.ts';
import type { Repository } from '../repository/repository.ts';
import { listSnapshots } from '../repository/snapshots.ts';
import { usualBackupRequest } from './backup-request.ts';
import type { CommandContext } from './command.ts';
import { secretSurroundings } from './configured.ts';
import { confirm } from './confirm.ts';
import { createLogicalRestorePrinter, printLogicalPlan } from './logical-restore-printer.ts';
import type { NamedRepository } from './recovery-places.ts';
import { openRepositoriesOf } from './restore-source.ts';
import { withSessionLock } from './session.ts';
import { shownName } from './shown-name.ts';

/** `restore NAME` of a source whose method is logical. */

export interface LogicalRestoreOptions {
  /** `latest`, or a time with its zone: the newest snapshot that was complete by then. */
  readonly to: string;
  readonly snapshot: string | undefined;
  /** Databases of the snapshot; empty: all. */
  readonly database: readonly string[];
  readonly as: string | undefined;
  /** `SCHEMA.TABLE`. */
  readonly table: readonly string[];
  readonly schema: readonly string[];
  readonly drop: boolean;
  readonly jobs: number | undefined;
  readonly noOwner: boolean;
  readonly noPrivileges: boolean;
  readonly globals: boolean;
  readonly noSafetyBackup: boolean;
  readonly onError: 'stop' | 'continue';
  readonly analyze: boolean;
  /** A reference or a connection string. */
  readonly url: string | undefined;
  readonly yes: boolean;
  readonly dryRun: boolean;
}

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

interface Run {
  readonly context: Context;
  readonly source: PostgresSource;
  readonly options: LogicalRestoreOptions;
  readonly repository: Repository;
}

/** How long hooks may take after Ctrl-C. */
const hooksAfterCancelMs = 30_000;

const choiceOf = ({ name }: PostgresSource, options: LogicalRestoreOptions): LogicalChoice => ({
  source: name,
  notAfterMs: options.to === 'latest' ? null : Number(parseZonedTime(options.to).microseconds / 1000n),
  snapshot: options.snapshot ?? null,
});

/** Of the repositories that keep the source the one with the snapshot that the options choose. */
async function repositoryWith(
  context: Context,
  configuration: Configuration,
  source: PostgresSource,
  options: LogicalRestoreOptions,
): Promise<Repository> {
  const choice = choiceOf(source, options);
  const repositories = await openRepositoriesOf(context, { configuration, source });
  if (repositories.length === 1) return repositories[0]!.repository;
  const held = new Map<StoredSnapshot, NamedRepository>();
  for (const named of repositories) {
    const { snapshots } = await listSnapshots(named.repository, true);
    for (const snapshot of snapshots) held.set(snapshot, named);
  }
  const { name, repository } = held.get(chooseLogicalSnapshot([...held.keys()], choice))!;
  context.output.verbose(`restoring from ${name}; -r NAME chooses another repository`);
  return repository;
}

/**
 * Plans the restore, shows the plan, asks, restores, backing up what is overwritten, and runs the hooks around it.
 *
 * @returns the exit status. @throws LifeboatError `confirmation-needed`, `hook-failed`, `database-restore-failed`,
 *   `restore-incomplete`, and what planning throws.
 */
export async function restoreLogical(
  context: Context,
  configuration: Configuration,
  source: PostgresSource,
  options: LogicalRestoreOptions,
): Promise<number> {
  const repository = await repositoryWith(context, configuration, source, options);
  const global = { ...context.global, noLock: context.global.noLock || options.dryRun };
  return withSessionLock({ ...context, global }, repository, 'shared', (signal) =>
    restoreFrom({ context: { ...context, signal }, source, options, repository }),
  );
}

async function requestOf({ context, source, options, repository }: Run): Promise<LogicalRestoreRequest> {
  const { snapshots } = await listSnapshots(repository, true);
  const snapshot = chooseLogicalSnapshot(snapshots, choiceOf(source, options));
  const reader = openBlobReader(repository, await loadIndex(repository));
  const manifest = await readManifest(reader, snapshot);
  if (manifest?.kind !== 'postgres-logical' || snapshot.tree === undefined)
    throw new LifeboatError('usage', `snapshot ${snapshot.id.slice(0, 8)} holds no dumps of a database`);
  const secrets = secretSurroundings(context);
  const { url } = options;
  const settings = await postgresConnection(url === undefined ? source : { url, password: null }, secrets);
  return {
    snapshot: { id: snapshot.id, time: snapshot.time, tree: snapshot.tree },
    manifest,
    reader,
    settings,
    binDirectory: source.binDirectory,
    databases: options.database,
    renamed: options.as ?? null,
    tables: options.table.map(parseTableName),
    schemas: options.schema,
    drop: options.drop,
    jobs: options.jobs ?? source.jobs,
    owner: !options.noOwner,
    privileges: !options.noPrivileges,
    globals: options.globals,
    safetyBackup: !options.noSafetyBackup,
    onError: options.onError,
    analyze: options.analyze,
    scratch: source.scratch,
    signal: context.signal,
  };
}

async function restoreFrom(run: Run): Promise<number> {
  const { context, options } = run;
  const { output } = context;
  const request = await requestOf(run);
  try {
    const plan = await planLogicalRestore(request);
    printLogicalPlan(output, plan);
    if (options.dryRun) return 0;
    if (overwrites(plan))
      await confirm(
        context,
        `Overwrite ${plan.databases.map(({ target }) => shownName(target)).join(', ')}?`,
        options.yes,
      );
    const facts = {
      snapshot: plan.snapshot.id,
      database: plan.databases.map(({ target }) => target).join(' '),
    };
    await withHooks(run, facts, async () => {
      await carryOut(run, plan, request);
    });
    return 0;
  } finally {
    request.reader.close();
  }
}

/** Hooks before and after; those after run however the rest ended, as what was stopped is to run again. */
async function withHooks(
  { context, source }: Run,
  facts: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const { output, signal } = context;
  const events: Required<HookEvents> = {
    started: (hook) => output.verbose(`running the hook ${hook}`),
    ended: (hook, { durationMs, output: said }) =>
      output.veryVerbose(`${hook} ended after ${(durationMs / 1000).toFixed(3)}s${said ? `: ${said}` : ''}`),
  };
  const after = (status: 'done' | 'failed'): Promise<void> =>
    runSourceHooks(
      source,
      'after-restore',
      { ...facts, status },
      signal.aborted ? AbortSignal.timeout(hooksAfterCancelMs) : signal,
      events,
    );
  try {
    await runSourceHooks(source, 'before-restore', facts, signal, events);
    await work();
  } catch (error) {
    try {
      await after('failed');
    } catch (failed) {
      output.warn(`warning: ${messageOf(failed)}`);
    }
    throw error;
  }
  await after('done');
}

async function carryOut(run: Run, plan: LogicalRestorePlan, request: LogicalRestoreRequest): Promise<void> {
  const { output, env } = run.context;
  const printer = createLogicalRestorePrinter(output, env);
  let report: LogicalRestoreReport;
  try {
    report = await executeLogicalRestore(plan, request, createSafetyBackup(run, request), printer.events);
  } finally {
    printer.stop();
  }
  printer.finish(report);
  const missing = report.databases.reduce((sum, { problemCount }) => sum + problemCount, 0);
  const globalsMissing = report.globals?.problems.length ?? 0;
  if (missing + globalsMissing === 0) return;
  throw new LifeboatError(
    'restore-incomplete',
    `${missing + globalsMissing} objects could not be restored, as listed above; everything else was`,
    { hint: 'make what is missing by hand, or restore again when its cause is gone' },
  );
}

/** Takes safety backups into the repository that is restored from, and says how they come back. */
function createSafetyBackup(run: Run, request: LogicalRestoreRequest): SafetyBackup {
  const { context, source, options, repository } = run;
  const { output, signal } = context;
  const warn = (message: string): void => output.warn(`warning: ${message}`);
  return async (overwritten) => {
    const entries = safetySource(overwritten, request.settings, {
      source: request.manifest.source,
      binDirectory: source.binDirectory,
      scratch: source.scratch,
      signal,
    });
    const report = await runBackup(repository, await readGround(repository), {
      ...usualBackupRequest(context, warn),
      source: { entries },
      events: {
        warning: warn,
        problem: (path, error) => warn(`${path}: ${String(error)}`),
      },
    });
    if (report.problems > 0 || !report.snapshotId)
      throw new LifeboatError(
        'incomplete-backup',
        `the safety backup of ${shownName(overwritten.name)} is incomplete`,
        { hint: 'see what the warnings name; nothing that it was to hold was dropped' },
      );
    const id = report.snapshotId.slice(0, 8);
    const url = options.url === undefined ? '' : ' and the same --url';
    if (output.json)
      output.jsonLine({
        message_type: 'safety_backup',
        snapshot_id: report.snapshotId,
        database: overwritten.name,
      });
    else
      output.info(
        `safety backup of ${shownName(overwritten.name)}: snapshot ${id}; it comes back with \`lifeboat restore ${source.name} --snapshot ${id}\`${url}`,
      );
  };
}
