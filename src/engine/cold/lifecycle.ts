import { LifeboatError } from '../../core/errors.ts';
import type { LifecyclePolicy, Tier } from '../../model/configuration.ts';
import type { StoredLifecycleRule } from '../../model/lifecycle.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Expectations } from './lifecycle-dangers.ts';
import {
  changesNothing,
  differencesOf,
  type LifecyclePlan,
  planLifecycle,
  sameRule,
} from './lifecycle-plan.ts';
import { wantedRules } from './lifecycle-rules.ts';

/** Reading and writing the lifecycle of the bucket that a repository lies in. */

type Storage = Repository['storage'];
type Bucket = NonNullable<Storage['bucket']>;

export interface LifecycleWish {
  readonly tiers: readonly Tier[];
  readonly lifecycle: LifecyclePolicy;
}

/** @throws LifeboatError `bucket-feature-missing` where the storage is no bucket. */
export function bucketOf({ bucket, location }: Storage): Bucket {
  if (bucket) return bucket;
  throw new LifeboatError(
    'bucket-feature-missing',
    `${location} is no bucket, so it has no lifecycle or replication`,
  );
}

/** @throws LifeboatError `bucket-feature-missing` where the storage knows no lifecycle. */
export async function readLifecycle(bucket: Bucket): Promise<readonly StoredLifecycleRule[]> {
  const rules = await bucket.lifecycle();
  if (rules !== null) return rules;
  throw new LifeboatError(
    'bucket-feature-missing',
    `the storage of the bucket ${bucket.name} offers no lifecycle`,
  );
}

export interface ReadPlan {
  readonly present: readonly StoredLifecycleRule[];
  readonly plan: LifecyclePlan;
}

/** What the bucket has, and what would have to change. */
export async function prepareLifecycle(bucket: Bucket, wish: LifecycleWish): Promise<ReadPlan> {
  const present = await readLifecycle(bucket);
  const wanted = wantedRules(wish.tiers, wish.lifecycle, bucket.root);
  return { present, plan: planLifecycle(present, wanted, expectationsOf(bucket, wish)) };
}

function expectationsOf({ root }: Bucket, { lifecycle }: LifecycleWish): Expectations {
  return { root, keepNoncurrentDays: lifecycle.keepNoncurrentDays };
}

/**
 * Writes what was planned and reads it again, as storages may leave out in silence what they do not know.
 *
 * @throws LifeboatError `lifecycle-changed` where somebody wrote rules since the plan was made, `lifecycle-drift`
 *   where the bucket did not take what was written.
 */
export async function applyLifecycle(
  bucket: Bucket,
  { present, plan }: ReadPlan,
  wish: LifecycleWish,
): Promise<void> {
  if (changesNothing(plan)) return;
  const now = await readLifecycle(bucket);
  if (now.length !== present.length || !now.every((rule, n) => sameRule(rule, present[n]!)))
    throw new LifeboatError(
      'lifecycle-changed',
      `the lifecycle of the bucket ${bucket.name} was changed by somebody else meanwhile; nothing was written`,
    );
  await bucket.replaceLifecycle(plan.result);
  const { plan: after } = await prepareLifecycle(bucket, wish);
  const left = differencesOf(after);
  if (left.length > 0)
    throw new LifeboatError(
      'lifecycle-drift',
      `the bucket ${bucket.name} did not take all of its lifecycle: ${left.join('; ')}`,
      { hint: 'the storage may not know these classes or conditions; choose other classes for the tiers' },
    );
  const lost = plan.keep.filter((kept) => !after.keep.some((rule) => sameRule(rule, kept)));
  if (lost.length > 0)
    throw new LifeboatError(
      'lifecycle-drift',
      `the bucket ${bucket.name} has lost rules that were to stay: ${lost.map(({ id }) => id).join(', ')}`,
    );
}
