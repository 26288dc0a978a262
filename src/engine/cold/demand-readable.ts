import { LifeboatError } from '../../core/errors.ts';
import { thawSpeeds } from '../../model/storage-class.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { hasArchivedPacks, type ReadingOf } from './needed-packs.ts';
import type { ThawEstimate } from './prices.ts';
import { amountsOf, estimatesFor, isReady, prepareThaw, type ThawPlan } from './thaw.ts';

/** Copies are kept for a week unless somebody says otherwise: a restore that fails can be run again. */
export const thawDaysDefault = 7;

/** `3 to 5 hours`, `1 to 5 minutes`. */
export function formatHours([least, most]: readonly [number, number]): string {
  const inMinutes = most < 1;
  const figure = (hours: number): string => String(Math.round(inMinutes ? hours * 60 : hours));
  return `${figure(least)} to ${figure(most)} ${inMinutes ? 'minutes' : 'hours'}`;
}

/** `standard: 3 to 5 hours, about $0.02`. */
export function formatEstimate({ speed, hours, cost }: ThawEstimate): string {
  const money =
    cost === null
      ? 'at a price not known here'
      : cost < 0.01
        ? 'less than $0.01'
        : `about $${cost.toFixed(2)}`;
  return `${speed}: ${formatHours(hours)}, ${money}`;
}

/** `12 of the 40 packs that this needs are archived (GLACIER)`. */
export function describeArchived({ stage, packs, needed }: ThawPlan): string {
  const cold = packs.filter((pack) => !isReady(pack));
  const classes = amountsOf(cold)
    .map(({ storageClass }) => storageClass)
    .join(' and ');
  return stage === 'trees'
    ? `${cold.length} packs with trees are archived (${classes}), which say what the snapshot holds`
    : `${cold.length} of the ${needed} packs that this needs are archived (${classes})`;
}

export interface DemandedReading extends ReadingOf {
  /** What brings the packs back, as the user has to type it, without a speed. */
  readonly commandToThaw: string;
  /** From `hasArchivedPacks`, where it was asked already. */
  readonly archived?: Promise<boolean>;
}

/**
 * Refuses, before anything is written, what cannot be read yet. Costs one request where nothing is archived.
 * @throws LifeboatError `storage-archived` with the command that brings it back, what that takes and costs.
 */
export async function demandReadable(
  repository: Repository,
  index: BlobIndex,
  { commandToThaw, archived = hasArchivedPacks(repository), ...reading }: DemandedReading,
): Promise<void> {
  if (!(await archived)) return;
  const plan = await prepareThaw(repository, index, reading);
  const cold = plan.packs.filter((pack) => !isReady(pack));
  if (cold.length === 0) return;
  const asked = cold.filter(({ state }) => state === 'ongoing').length;
  const estimates = estimatesFor(cold, thawSpeeds, thawDaysDefault).map(formatEstimate);
  const onTheWay = asked > 0 ? `; ${asked} are on their way` : '';
  throw new LifeboatError('storage-archived', `${describeArchived(plan)} and cannot be read yet${onTheWay}`, {
    hint: `run \`${commandToThaw}\`, then this again (${estimates.join('; ')})`,
  });
}
