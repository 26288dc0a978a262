import { describeArchived, formatEstimate, thawDaysDefault } from '../engine/cold/demand-readable.ts';
import type { ReadingOf } from '../engine/cold/needed-packs.ts';
import { pricesOf } from '../engine/cold/prices.ts';
import {
  amountsOf,
  estimatesFor,
  isReady,
  packsToRequest,
  prepareThaw,
  type ThawPack,
  type ThawPlan,
  type ThawReport,
  thaw,
} from '../engine/cold/thaw.ts';
import type { ThawSpeed } from '../model/storage-class.ts';
import { thawSpeeds } from '../model/storage-class.ts';
import type { BlobIndex } from '../repository/index/blob-index.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { confirm } from './confirm.ts';
import { formatBytes, plural } from './format.ts';
import { parseDurationMs } from './option-values.ts';
import { value } from './options.ts';
import { type Counter, showCounter } from './progress.ts';

/** What `thaw` and `restore --thaw` share: the plan with its estimate, the question, the waiting. */

export const pollOption = value({
  placeholder: 'DURATION',
  help: 'how often to look whether the packs are back (default: by the speed, from 30s to 15m)',
  parse: parseDurationMs,
});

export interface ThawChoice {
  readonly speed: ThawSpeed;
  readonly days?: number;
  readonly pollMs: number | undefined;
  readonly yes: boolean;
  readonly noWait?: boolean;
}

type Context = Pick<CommandContext, 'output' | 'env' | 'stdin' | 'stderr' | 'signal' | 'global'>;

/** `lifeboat -r offsite thaw 4f2a81c0`: what the user has to type. */
export function commandToThaw({ global }: Pick<CommandContext, 'global'>, what: string): string {
  const { repository } = global;
  const where = repository === undefined ? '' : ` -r ${repository}`;
  return `lifeboat${where} thaw ${/^[\w.:/~-]+$/.test(what) ? what : `'${what.replaceAll("'", `'\\''`)}'`}`;
}

function planJson(plan: ThawPlan, toRequest: readonly ThawPack[], days: number): Record<string, unknown> {
  return {
    message_type: 'plan',
    stage: plan.stage,
    needed: plan.needed,
    archived: plan.packs.length,
    ready: plan.packs.filter(isReady).length,
    ongoing: plan.packs.filter(({ state }) => state === 'ongoing').length,
    to_request: toRequest.map(({ id, bytes, storageClass }) => ({ id, bytes, class: storageClass })),
    estimates: estimatesFor(toRequest, thawSpeeds, days),
    prices: pricesOf,
  };
}

function printPlan({ output }: Context, plan: ThawPlan, toRequest: readonly ThawPack[], days: number): void {
  if (output.json) {
    output.jsonLine(planJson(plan, toRequest, days));
    return;
  }
  const ready = plan.packs.filter(isReady).length;
  const ongoing = plan.packs.filter(({ state }) => state === 'ongoing').length;
  if (ready === plan.packs.length) {
    if (plan.packs.length > 0) output.info(`all ${plural(ready, 'archived pack')} can be read`);
    return;
  }
  output.info(describeArchived(plan));
  if (ready > 0) output.info(`  back already: ${ready}`);
  if (ongoing > 0) output.info(`  on their way: ${ongoing}`);
  if (toRequest.length === 0) return;
  for (const { storageClass, objects, bytes } of amountsOf(toRequest))
    output.info(`  to be asked for: ${plural(objects, 'pack')}, ${formatBytes(bytes)} in ${storageClass}`);
  for (const estimate of estimatesFor(toRequest, thawSpeeds, days))
    output.info(`  ${formatEstimate(estimate)}`);
  output.info(`  copies stay for ${plural(days, 'day')}; an estimate by ${pricesOf}`);
}

/** Only shows what would be asked for. */
export async function showThaw(
  context: Context,
  repository: Repository,
  index: BlobIndex,
  reading: ReadingOf,
  days = thawDaysDefault,
): Promise<void> {
  const plan = await prepareThaw(repository, index, reading);
  printPlan(context, plan, packsToRequest(plan, Date.now()), days);
  if (plan.packs.length === 0) context.output.info('nothing that this needs is archived');
}

/** @throws LifeboatError as `thaw`, `confirmation-needed`. */
export async function runThaw(
  context: Context,
  repository: Repository,
  index: BlobIndex,
  reading: ReadingOf,
  choice: ThawChoice,
): Promise<ThawReport> {
  const { output, env } = context;
  const { speed, days = thawDaysDefault, pollMs, noWait = false } = choice;
  let counter: Counter | undefined;
  let readyBefore = 0;
  const count = (noun: string, total: number): void => {
    counter?.stop();
    counter = showCounter(output, env, noun, total);
  };
  try {
    return await thaw(repository, index, {
      ...reading,
      speed,
      days,
      pollMs,
      noWait,
      events: {
        async plan(plan, toRequest) {
          counter?.stop();
          counter = undefined;
          readyBefore = 0;
          printPlan(context, plan, toRequest, days);
          if (toRequest.length === 0) return;
          await confirm(context, `Ask for them at the speed ${speed}?`, choice.yes);
          count('packs asked for', toRequest.length);
        },
        requested: (number) => counter?.add(number),
        ready(packs, total) {
          if (output.json) {
            output.jsonLine({ message_type: 'status', ready: packs, archived: total });
            return;
          }
          if (readyBefore === 0) count('packs back', total);
          counter?.add(packs - readyBefore);
          readyBefore = packs;
        },
      },
    });
  } finally {
    counter?.stop();
  }
}
