import type { ExtensionPlan } from '../engine/immutability/extension.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { formatBytes, formatZonedTime, plural } from './format.ts';
import { showCounter } from './progress.ts';

type Context = Pick<CommandContext, 'output' | 'env'>;

export interface RetainRun {
  readonly dryRun: boolean;
  /** Also ask what protects objects that are so young that it should be known. */
  readonly askAll: boolean;
  readonly signal: AbortSignal;
}

/** Extends the retention of what snapshots need, and tells about it. @throws as the engine's use case. */
export async function runRetain(
  { output, env }: Context,
  repository: Repository,
  { dryRun, askAll, signal }: RetainRun,
): Promise<void> {
  const { prepareExtension, executeExtension } = await import('../engine/immutability/retain.ts');
  const { policyOf } = await import('../engine/immutability/vault.ts');
  // Without a policy there is nothing to walk for.
  policyOf(repository.storage);
  const trees = showCounter(output, env, 'trees');
  const plan = await prepareExtension(repository, {
    askAll,
    signal,
    onTrees: (number) => trees.add(number),
  }).finally(() => trees.stop());
  printPlan(output, plan, dryRun);
  let extended = 0;
  if (!dryRun && plan.extend.length > 0) {
    const counter = showCounter(output, env, 'objects extended', plan.extend.length);
    const options = { signal, onDone: () => counter.add(1) };
    ({ extended } = await executeExtension(repository, plan, options).finally(() => counter.stop()));
  }
  if (output.json)
    output.jsonLine({
      message_type: 'retention',
      dry_run: dryRun,
      until: new Date(plan.untilMs).toISOString(),
      due_objects: plan.extend.length,
      due_bytes: plan.extendBytes,
      unprotected_objects: plan.unprotected,
      kept_objects: plan.kept,
      extended_objects: extended,
    });
}

function printPlan(output: Context['output'], plan: ExtensionPlan, dryRun: boolean): void {
  if (plan.extend.length === 0) {
    output.info(`${plural(plan.kept, 'object')} that snapshots need: all are protected for long enough`);
    return;
  }
  const verb = dryRun ? 'would protect' : 'protecting';
  output.info(
    `${verb} ${plural(plan.extend.length, 'object')} (${formatBytes(plan.extendBytes)}) that snapshots need until ` +
      `${formatZonedTime(plan.untilMs, false)}; ${plan.kept} are protected for long enough`,
  );
  if (plan.unprotected > 0) output.info(`${plan.unprotected} of them were not protected at all`);
}
