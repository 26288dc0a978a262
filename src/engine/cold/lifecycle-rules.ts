import { createHash } from 'node:crypto';
import type { LifecyclePolicy, Tier } from '../../model/configuration.ts';
import { type LifecycleRule, noRule } from '../../model/lifecycle.ts';
import { type StorageClass, storageClasses } from '../../model/storage-class.ts';

/**
 * The rules that a repository wants of its bucket. They move what `lifeboat tier` has marked, and tidy up; none of
 * them expires a current object, so no rule can take away what a snapshot needs, whatever a mark says.
 */

/** On a pack: the class that it may go to. */
export const tierTag = 'lifeboat-tier';

const ownPrefix = 'lifeboat-';
/** Of a rule's ID, which S3 limits to 255 characters. */
const rootCharactersMax = 180;

/** Tells rules of several repositories in one bucket apart: empty for one at its root. */
function suffixOf(root: string): string {
  if (root === '') return '';
  const place = root.replace(/\/$/, '');
  const short =
    place.length <= rootCharactersMax ? place : createHash('sha256').update(place).digest('hex').slice(0, 32);
  return `:${short}`;
}

/** Whether a rule is one that Lifeboat wrote for the repository at this root, and so is its to change. */
export function isOwnRule(id: string, root: string): boolean {
  if (!id.startsWith(ownPrefix)) return false;
  const suffix = suffixOf(root);
  return suffix === ''
    ? !id.includes(':')
    : id.endsWith(suffix) && !id.slice(0, -suffix.length).includes(':');
}

/** Classes that packs are moved to: all but the one that new objects are stored in. */
export function movingClasses(tiers: readonly Tier[]): StorageClass[] {
  const first = tiers[0]?.class;
  return [...new Set(tiers.map((tier) => tier.class))].filter((name) => name !== first);
}

/** @param root what the repository's keys begin with in the bucket: `prod/`, or empty. */
export function wantedRules(
  tiers: readonly Tier[],
  { keepNoncurrentDays, abortUploadsDays }: LifecyclePolicy,
  root: string,
): LifecycleRule[] {
  const suffix = suffixOf(root);
  const moves = movingClasses(tiers).map(
    (storageClass): LifecycleRule => ({
      ...noRule,
      id: `${ownPrefix}tier-${storageClass.toLowerCase().replaceAll('_', '-')}${suffix}`,
      prefix: `${root}data/`,
      tags: { [tierTag]: storageClass },
      transitions: [{ days: storageClasses[storageClass].transitionDaysMin, date: null, storageClass }],
    }),
  );
  return [
    ...moves,
    {
      ...noRule,
      id: `${ownPrefix}tidy${suffix}`,
      prefix: root,
      expiredDeleteMarkers: true,
      noncurrentExpirationDays: keepNoncurrentDays,
      abortUploadsAfterDays: abortUploadsDays,
    },
  ];
}
