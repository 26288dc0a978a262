import { hostname } from 'node:os';
import { runSourceHooks } from '../app/source-hooks.ts';
import { openSource } from '../app/sources.ts';
import { hasCode, LifeboatError } from '../core/errors.ts';
import { readGround, runBackup } from '../engine/backup/backup.ts';
import { readBase } from '../engine/backup/source-base.ts';
import type { HookEvents } from '../engine/recover/hooks.ts';
import type { Configuration, FilesSource, PostgresSource } from '../model/configuration.ts';
import { type BackupType, postgresTags } from '../model/postgres-manifest.ts';
import { anySnapshot } from '../policy/snapshot-selection.ts';
import { flattenTags } from '../policy/tags.ts';
import type { Repository } from '../repository/repository.ts';
import type { BackupContext } from './backup-options.ts';
import { backUpPaths } from './backup-paths.ts';
import { createBackupPrinter } from './backup-printer.ts';
import { usualBackupRequest } from './backup-request.ts';
import { type PlannedSource, planSources } from './backup-source-options.ts';
import { printDatabaseBackup, printPlannedBackup } from './backup-source-report.ts';
import {
  openConfigured,
  openConfiguredAhead,
  repositoryNamed,
  requireConfiguration,
  secretSurroundings,
} from './configured.ts';
import { asLifeboatError, reportError } from './report-error.ts';
import { retainAfterBackup } from './retain-if-due.ts';
import { withSessionLock } from './session.ts';

/** Sources of the configuration, each to its repositories one after the other. */

interface Run {
  readonly context: BackupContext;
  readonly configuration: Configuration;
}

/**
 * Backs up the sources that the options name. One that fails does not keep the others from being backed up.
 *
 * @returns the exit status. @throws LifeboatError of the only backup where there is one, `sources-failed` where
 * several were to be made and not all were.
 */
export async function backUpSources(context: BackupContext): Promise<number> {
  const configuration = await requireConfiguration(context);
  const plan = planSources(context, configuration);
  const run: Run = { context, configuration };
  const count = plan.reduce((sum, { repositories }) => sum + repositories.length, 0);
  const failures: LifeboatError[] = [];
  for (const planned of plan) failures.push(...(await backUpSource(run, planned, count > 1)));
  const [first] = failures;
  if (!first) return 0;
  if (count === 1) throw first;
  const failed = failures.filter(({ exitStatus }) => exitStatus !== 3).length;
  if (failed === 0) {
    throw new LifeboatError(
      'incomplete-backup',
      `${failures.length} of ${count} snapshots have the flaws named above`,
    );
  }
  throw new LifeboatError('sources-failed', `${failed} of ${count} backups failed, as said above`);
}

/**
 * Between its hooks. With several backups to make, each failure is printed as it comes.
 * @returns what went wrong. @throws LifeboatError `cancelled`, which ends everything.
 */
async function backUpSource(
  run: Run,
  { source, repositories }: PlannedSource,
  several: boolean,
): Promise<LifeboatError[]> {
  const { context } = run;
  const { output, env, signal } = context;
  const failures: LifeboatError[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (thrown) {
      const error = asLifeboatError(thrown, signal);
      if (signal.aborted || hasCode(error, 'cancelled')) throw error;
      failures.push(error);
      if (several) reportError(error, output, env);
      return false;
    }
  };
  const events: Required<HookEvents> = {
    started: (hook) => output.verbose(`running the hook ${hook}`),
    ended: (hook, { durationMs, output: said }) =>
      output.veryVerbose(`${hook} ended after ${(durationMs / 1000).toFixed(3)}s${said ? `: ${said}` : ''}`),
  };
  const hooks = source.type === 'postgres' && !context.options.dryRun ? source : null;
  const ready = !hooks || (await attempt(() => runSourceHooks(hooks, 'before-backup', {}, signal, events)));
  try {
    for (const name of ready ? repositories : []) {
      if (several) output.info(output.style('bold', `${source.name} to ${name}`));
      await attempt(() =>
        source.type === 'files' ? backUpFiles(run, source, name) : backUpDatabase(run, source, name),
      );
    }
  } finally {
    // What was stopped before the backup is to run again, however it ended.
    const status = failures.length > 0 ? 'failed' : 'done';
    if (hooks) {
      const after = signal.aborted ? AbortSignal.timeout(hooksAfterCancelMs) : signal;
      await attempt(() => runSourceHooks(hooks, 'after-backup', { status }, after, events));
    }
  }
  return failures;
}

/** How long hooks may take after Ctrl-C. */
const hooksAfterCancelMs = 30_000;

function backUpFiles({ context, configuration }: Run, source: FilesSource, name: string): Promise<number> {
  const { options: given } = context;
  const options = {
    ...given,
    exclude: [...given.exclude, ...source.exclude],
    tag: [...given.tag, [`${postgresTags.source}=${source.name}`]],
  };
  const place = async () => ({
    location: repositoryNamed(configuration, name).location,
    open: () => openConfiguredAhead(context, configuration, name, { readOnly: given.dryRun }),
  });
  const facts = { source: source.name, repository: name };
  return backUpPaths({ ...context, options, args: source.paths }, place, facts);
}

async function backUpDatabase(
  { context, configuration }: Run,
  source: PostgresSource,
  name: string,
): Promise<void> {
  const repository = await openConfigured(context, configuration, name, {
    readOnly: context.options.dryRun,
  });
  const global = { ...context.global, noLock: context.global.noLock || context.options.dryRun };
  await withSessionLock({ ...context, global }, repository, 'shared', (signal) =>
    storeDatabase({ context: { ...context, signal }, configuration }, source, name, repository),
  );
  if (!context.options.dryRun) await retainAfterBackup(context, repository);
}

/** Under a lock. @throws LifeboatError `pages-damaged` when the snapshot is stored, and all of `runBackup`. */
async function storeDatabase(
  { context, configuration }: Run,
  source: PostgresSource,
  repositoryName: string,
  repository: Repository,
): Promise<void> {
  const { options: given, global, output, env, signal } = context;
  const startedMs = performance.now();
  const warn = (message: string): void => output.warn(`warning: ${message}`);
  const ground = await readGround(repository);
  const wanted = given.type ?? source.backupType;
  const kind = `postgres-${source.method}` as const;
  const base = await readBase(repository, ground, { source: source.name, kind, type: wanted }, warn);
  const type: BackupType = base ? wanted : 'full';
  if (given.dryRun) return printPlannedBackup(output, source, repositoryName, type, base);
  if (source.method === 'physical' && type !== wanted)
    output.info(
      `no earlier backup to go on from${wanted === 'differential' ? ' that is full' : ''}: this one is full`,
    );

  // A full backup goes on from none, but keeps how the last one cut its files.
  const last =
    base ?? (await readBase(repository, ground, { source: source.name, kind, type: 'incremental' }, warn));
  const entries = await openSource(configuration, source.name, {
    type,
    base: base && { snapshot: base.snapshot.id, manifest: base.manifest },
    previous: last?.manifest ?? null,
    place: { name: repositoryName, repository },
    secrets: { ...secretSurroundings(context), signal },
  });
  const printer = createBackupPrinter(output, env);
  try {
    const report = await runBackup(repository, ground, {
      ...usualBackupRequest({ global, signal }, warn),
      source: { entries },
      parent: base ? { named: base.snapshot.id, filter: anySnapshot } : null,
      tags: flattenTags(given.tag),
      host: given.host || hostname(),
      workers: given.readConcurrency,
      events: {
        ...printer.events,
        // That a database is read whole is said by its type.
        parent: (snapshot) => (snapshot ? printer.events.parent(snapshot) : undefined),
      },
    });
    const manifest = entries.manifest();
    printer.finish(report, false, startedMs, { source: source.name, repository: repositoryName, manifest });
    printDatabaseBackup(output, source, report, manifest);
  } finally {
    printer.stop();
  }
}
