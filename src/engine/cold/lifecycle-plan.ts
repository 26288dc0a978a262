import type { LifecycleRule, StoredLifecycleRule } from '../../model/lifecycle.ts';
import { type Danger, dangersOf, type Expectations } from './lifecycle-dangers.ts';
import { isOwnRule } from './lifecycle-rules.ts';

/** What a bucket's lifecycle lacks of what a repository wants, and the rules to write. */
export interface LifecyclePlan {
  readonly add: readonly LifecycleRule[];
  readonly change: readonly { readonly before: StoredLifecycleRule; readonly after: LifecycleRule }[];
  /** Own rules that are wanted no longer. */
  readonly remove: readonly StoredLifecycleRule[];
  /** Rules that stay as they are: own ones that are right, and all of others. */
  readonly keep: readonly StoredLifecycleRule[];
  /** What the bucket gets: rules that were there in their order, then new ones. */
  readonly result: readonly (LifecycleRule | StoredLifecycleRule)[];
  /** Of the rules that there are now. */
  readonly dangers: readonly Danger[];
}

/** A rule without the storage's own form of it, in a settled order. */
function meaningOf(rule: LifecycleRule): string {
  const { source: _, ...facts } = rule as StoredLifecycleRule;
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(sorted, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

export function sameRule(a: LifecycleRule, b: LifecycleRule): boolean {
  return meaningOf(a) === meaningOf(b);
}

/** Compares and decides; rules of others always stay. Changes nothing. */
export function planLifecycle(
  present: readonly StoredLifecycleRule[],
  wanted: readonly LifecycleRule[],
  expectations: Expectations,
): LifecyclePlan {
  const { root } = expectations;
  const missing = new Map(wanted.map((rule) => [rule.id, rule]));
  const change: { before: StoredLifecycleRule; after: LifecycleRule }[] = [];
  const remove: StoredLifecycleRule[] = [];
  const keep: StoredLifecycleRule[] = [];
  const result: (LifecycleRule | StoredLifecycleRule)[] = [];
  for (const before of present) {
    const after = missing.get(before.id);
    missing.delete(before.id);
    if (after && !sameRule(before, after)) {
      change.push({ before, after });
      result.push(after);
    } else if (!after && isOwnRule(before.id, root)) remove.push(before);
    else {
      keep.push(before);
      result.push(before);
    }
  }
  const add = [...missing.values()];
  return {
    add,
    change,
    remove,
    keep,
    result: [...result, ...add],
    dangers: present.flatMap((rule) => dangersOf(rule, expectations)),
  };
}

export function changesNothing({ add, change, remove }: LifecyclePlan): boolean {
  return add.length + change.length + remove.length === 0;
}

/** Each difference between what there is and what is wanted, as a sentence. */
export function differencesOf({ add, change, remove }: LifecyclePlan): string[] {
  return [
    ...add.map(({ id }) => `the rule ${id} is missing`),
    ...change.map(({ before, after }) => `the rule ${before.id} ${differenceOf(before, after)}`),
    ...remove.map(({ id }) => `the rule ${id} is wanted no longer`),
  ];
}

const shown = (value: unknown): string => (value === null ? 'none' : JSON.stringify(value));

function differenceOf(before: LifecycleRule, after: LifecycleRule): string {
  const keys = Object.keys(after) as (keyof LifecycleRule)[];
  const differing = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  return differing
    .map((key) => `has ${key} ${shown(before[key])} where ${shown(after[key])} is wanted`)
    .join(', ');
}
