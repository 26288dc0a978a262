import { runSourceHooks } from '../app/source-hooks.ts';
import { hasCode, LifeboatError, messageOf } from '../core/errors.ts';
import { demandClearWay } from '../engine/recover/obstacles.ts';
import { type PreparedRecovery, prepareRecovery } from '../engine/recover/prepare.ts';
import { recover } from '../engine/recover/recover.ts';
import { parseTarget, parseTimelineChoice } from '../engine/recover/target.ts';
import type { PostgresSource } from '../model/configuration.ts';
import { threadsDefault } from '../repository/workers/threads.ts';
import type { CommandContext } from './command.ts';
import { confirm } from './confirm.ts';
import type { OptionValues } from './options.ts';
import { type NamedRepository, withPreparedPlaces } from './recovery-places.ts';
import { createRecoveryPrinter, printRecovered, printRecoveryPlan } from './recovery-printer.ts';
import type { logicalRestoreOptions } from './restore-logical-options.ts';
import { parseTablespaces, type restoreSourceOptions } from './restore-source-options.ts';

export interface PhysicalRestoreContext extends Omit<CommandContext, 'options'> {
  readonly options: OptionValues<typeof restoreSourceOptions & typeof logicalRestoreOptions> & {
    readonly target: string | undefined;
    readonly dryRun: boolean;
    readonly workers: number | undefined;
  };
}

function refuse(message: string, hint: string): never {
  throw new LifeboatError('usage', message, { hint });
}

/** Restores a whole cluster. @returns the exit status. @throws LifeboatError as `recover`, `confirmation-needed`. */
export async function restorePhysical(
  context: PhysicalRestoreContext,
  source: PostgresSource,
  repositories: readonly NamedRepository[],
): Promise<number> {
  const { options: given, output } = context;
  if (given.standby && !given.noStart)
    refuse('--standby needs --no-start', 'set primary_conninfo before you start the standby yourself');
  if (given.noStart && given.amcheck)
    refuse(
      '--amcheck and --no-start cannot be used together',
      'run pg_amcheck when you have started the server',
    );
  const request = {
    target: parseTarget(given.to ?? 'latest'),
    inclusive: !given.exclusive,
    timeline: parseTimelineChoice(given.timeline ?? 'latest'),
  };
  if (given.table.length > 0) {
    const { restorePhysicalTables } = await import('./restore-tables.ts');
    return restorePhysicalTables(context, source, repositories, request);
  }
  const loose = given.output !== undefined ? 'output' : given.database.length > 0 ? 'database' : null;
  if (loose)
    refuse(
      `--${loose} needs --table`,
      'a physical backup brings back the whole cluster, or tables with --table',
    );
  const tablespaces = parseTablespaces(given.tablespace);
  return withPreparedPlaces(
    context,
    repositories,
    (places, signal) =>
      prepareRecovery(places, {
        source: source.name,
        request,
        dataDirectory: given.target ?? source.dataDirectory,
        tablespaces,
        start: !given.noStart,
        standby: given.standby,
        amcheck: given.amcheck,
        stopServer: given.stopServer,
        port: given.port ?? null,
        workers: given.workers ?? threadsDefault(),
        signal,
      }),
    async (prepared, signal) => {
      for (const problem of prepared.problems) output.warn(`warning: ${problem.message}`);
      printRecoveryPlan(output, prepared.plan);
      if (given.dryRun) return 0;
      demandClearWay(prepared);
      const { plan } = prepared;
      if (plan.mode !== 'fresh')
        await confirm(context, `Overwrite the cluster in ${plan.dataDirectory}?`, given.yes);
      return runRecovery(context, source, prepared, signal);
    },
  );
}

async function runRecovery(
  context: PhysicalRestoreContext,
  source: PostgresSource,
  prepared: PreparedRecovery,
  signal: AbortSignal,
): Promise<number> {
  const { options: given, output, env } = context;
  const { plan } = prepared;
  const facts = { snapshot: plan.backup.snapshot, target: plan.dataDirectory };
  const findings = await withRestoreHooks(context, source, facts, signal, async () => {
    const printer = createRecoveryPrinter(output, env);
    try {
      const report = await recover(prepared, {
        binDirectory: source.binDirectory,
        users: [],
        workers: given.workers,
        signal,
        events: printer.events,
      });
      printer.stop();
      printRecovered(output, report, plan.dataDirectory !== prepared.manifest.dataDirectory);
      return report.amcheck?.findings.length ?? 0;
    } catch (error) {
      throw withAdvice(error, plan.dataDirectory);
    } finally {
      printer.stop();
    }
  });
  if (findings === 0) return 0;
  throw new LifeboatError(
    'recovery-damaged',
    `the cluster was recovered, but pg_amcheck found damage in it (${findings} findings, above)`,
  );
}

/** How long hooks may take after Ctrl-C. */
const hooksAfterCancelMs = 30_000;

/** Hooks before and after; those after run however the rest ended, as what was stopped is to run again. */
async function withRestoreHooks<T>(
  { output }: PhysicalRestoreContext,
  source: PostgresSource,
  facts: Readonly<Record<string, string>>,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const events = {
    started: (hook: string) => output.verbose(`running the hook ${hook}`),
    ended: (hook: string) => output.veryVerbose(`${hook} ended`),
  };
  const after = (status: 'done' | 'failed'): Promise<void> => {
    const left = signal.aborted ? AbortSignal.timeout(hooksAfterCancelMs) : signal;
    return runSourceHooks(source, 'after-restore', { ...facts, status }, left, events);
  };
  let result: T;
  try {
    await runSourceHooks(source, 'before-restore', facts, signal, events);
    result = await work();
  } catch (error) {
    await after('failed').catch((failed: unknown) => output.warn(`warning: ${messageOf(failed)}`));
    throw error;
  }
  await after('done');
  return result;
}

/** A full disk is the restore's end, and its beginning again. */
function withAdvice(error: unknown, target: string): unknown {
  if (!hasCode(error, 'target-failed') || !/ENOSPC|EDQUOT/.test(error.message)) return error;
  return new LifeboatError('target-failed', error.message, {
    cause: error,
    hint: `free space at ${target}, then run the same restore again: what was restored is kept, and the cluster cannot start before it is whole`,
  });
}
