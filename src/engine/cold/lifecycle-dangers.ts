import type { LifecycleRule } from '../../model/lifecycle.ts';
import { isArchiveClass } from '../../model/storage-class.ts';
import { tierTag } from './lifecycle-rules.ts';

/** What rules of others, or own ones that somebody changed, could do to the repository's objects. */

export interface Danger {
  readonly rule: string;
  /** `error`: could lose or lock away what a snapshot needs. `warning`: costs, or depends on tags of others. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
}

/** All that a repository cannot do without; only its locks come and go. */
const keptPrefixes = ['config', 'keys/', 'snapshots/', 'index/', 'data/', 'lifeboat/'] as const;

/** The kinds of objects that a rule's prefix could match, as `data/`. */
export function kindsMatched(prefix: string, root: string): string[] {
  return keptPrefixes.filter((kind) => {
    const key = root + kind;
    return key.startsWith(prefix) || prefix.startsWith(key);
  });
}

/** Whether a rule could delete current objects of the repository at this root. */
export function couldExpire(rule: LifecycleRule, root: string): boolean {
  return rule.enabled && rule.expiration !== null && kindsMatched(rule.prefix, root).length > 0;
}

export interface Expectations {
  readonly root: string;
  /** Versions are to stay at least so long. */
  readonly keepNoncurrentDays: number;
}

export function dangersOf(rule: LifecycleRule, { root, keepNoncurrentDays }: Expectations): Danger[] {
  const kinds = rule.enabled ? kindsMatched(rule.prefix, root) : [];
  if (kinds.length === 0) return [];
  const what = kinds.length === keptPrefixes.length ? 'objects of the repository' : kinds.join(', ');
  const foreignTags = Object.keys(rule.tags).filter((key) => key !== tierTag);
  const ifTagged =
    foreignTags.length > 0
      ? ` that somebody tags with ${foreignTags.join(' and ')}, which Lifeboat does not`
      : '';
  const dangers: Danger[] = [];
  const found = (severity: Danger['severity'], message: string): void => {
    dangers.push({ rule: rule.id, severity: ifTagged === '' ? severity : 'warning', message });
  };

  if (rule.expiration) {
    const { days, date } = rule.expiration;
    const when = days === null ? `from ${date?.slice(0, 10)} on` : `after ${days} days`;
    found('error', `deletes ${what}${ifTagged} ${when}, whatever snapshots need`);
  }
  // What Lifeboat has marked is meant to move; everything else is not.
  const isMarked = rule.tags[tierTag] !== undefined && kinds.every((kind) => kind === 'data/');
  for (const { storageClass } of rule.transitions) {
    if (isMarked && rule.tags[tierTag] === storageClass) continue;
    if (isArchiveClass(storageClass)) {
      found(
        'error',
        `moves ${what}${ifTagged} to ${storageClass}, also what every command reads: trees lie in data/ too`,
      );
    } else found('warning', `moves ${what}${ifTagged} to ${storageClass}, where reading costs`);
  }
  const { noncurrentExpirationDays: kept } = rule;
  if (kept !== null && kept < keepNoncurrentDays) {
    found(
      'error',
      `deletes old versions of ${what}${ifTagged} after ${kept} days, where ${keepNoncurrentDays} are wanted to undo a deletion`,
    );
  }
  return dangers;
}
