import { hasCode, LifeboatError, messageOf } from '../core/errors.ts';
import { bucketOf, prepareLifecycle } from '../engine/cold/lifecycle.ts';
import { differencesOf } from '../engine/cold/lifecycle-plan.ts';
import { executeMoves, type PreparedMoves, prepareMoves } from '../engine/cold/move-packs.ts';
import { markChanges } from '../engine/cold/move-plan.ts';
import type { Repository } from '../repository/repository.ts';
import { warmThreads } from '../repository/workers/threads.ts';
import { type ColdSettings, coldSettings, demandTiers, withRepositoryArgument } from './bucket-session.ts';
import type { CommandContext } from './command.ts';
import { plural } from './format.ts';
import { type Counter, showCounter } from './progress.ts';
import { withRepository } from './session.ts';
import { movePlanJson, printMovePlan } from './tier-printer.ts';

/** `tier plan` and `tier apply`: the same plan, shown or carried out. @returns the exit status. */
export async function runTier(given: CommandContext, apply: boolean): Promise<number> {
  const context = withRepositoryArgument(given, given.args[0]);
  const settings = await coldSettings(context);
  demandTiers(settings);
  warmThreads();
  return withRepository(context, 'shared', async (repository, signal) => {
    const { output } = context;
    const prepared = await prepare(context, repository, settings.tiers, signal);
    if (output.json) output.jsonLine(movePlanJson(prepared));
    else printMovePlan(output, settings.tiers, prepared);
    if (!output.json) await warnOfRules(context, repository, settings);
    const changes = markChanges(prepared.plan).length;
    if (!apply) {
      if (changes > 0) output.info(`next: \`lifeboat tier apply\` sets ${plural(changes, 'tag')}`);
      return 0;
    }
    return execute(context, repository, prepared, signal);
  });
}

/** Marks without rules move nothing. Who may not read the rules is not told, as backup jobs need not. */
async function warnOfRules(
  { output }: CommandContext,
  { storage }: Repository,
  settings: ColdSettings,
): Promise<void> {
  try {
    const { plan } = await prepareLifecycle(bucketOf(storage), settings);
    const [first] = differencesOf(plan);
    if (first)
      output.warn(
        `warning: the bucket's rules are not as they should be (${first}); see \`lifeboat lifecycle diff\``,
      );
  } catch (error) {
    if (!hasCode(error, 'storage-denied', 'bucket-feature-missing')) throw error;
    output.verbose(`the rules of the bucket cannot be looked at: ${error.message}`);
  }
}

async function prepare(
  { output, env }: CommandContext,
  repository: Repository,
  tiers: Parameters<typeof prepareMoves>[1],
  signal: AbortSignal,
): Promise<PreparedMoves> {
  let counter: Counter | undefined;
  const nowMs = Date.now();
  const now = { seconds: Math.floor(nowMs / 1000), nanoseconds: (nowMs % 1000) * 1e6 };
  try {
    counter = output.verbosity > 0 ? showCounter(output, env, 'trees') : undefined;
    return await prepareMoves(repository, tiers, now, {
      signal,
      onTrees: (number) => counter?.add(number),
      onMarks(total) {
        counter?.stop();
        counter = showCounter(output, env, 'packs looked at', total);
      },
      onMark: () => counter?.add(1),
    });
  } finally {
    counter?.stop();
  }
}

async function execute(
  { output, env }: CommandContext,
  repository: Repository,
  { plan }: PreparedMoves,
  signal: AbortSignal,
): Promise<number> {
  const changes = markChanges(plan).length;
  const counter = changes > 0 ? showCounter(output, env, 'tags', changes) : undefined;
  const report = await executeMoves(repository, plan, { signal, onDone: () => counter?.add(1) }).finally(() =>
    counter?.stop(),
  );
  for (const { id, error } of report.failed) output.warn(`unable to tag pack ${id}: ${messageOf(error)}`);
  if (output.json) {
    const { marked, retracted, failed } = report;
    output.jsonLine({ message_type: 'summary', marked, retracted, failed: failed.length });
  } else {
    output.info(`${plural(report.marked, 'pack')} marked, ${plural(report.retracted, 'mark')} taken back`);
    if (report.marked > 0)
      output.info(
        'the bucket moves them within a day or two; `lifeboat lifecycle check` tells whether its rules do',
      );
  }
  if (report.failed.length === 0) return 0;
  throw new LifeboatError('tier-incomplete', `${plural(report.failed.length, 'pack')} could not be tagged`);
}
