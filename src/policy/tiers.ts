import type { Tier, TierKeep } from '../model/configuration.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { isArchiveClass, rankOf, type StorageClass } from '../model/storage-class.ts';
import type { Instant } from '../model/time.ts';
import { type CalendarDuration, noDuration } from './calendar-duration.ts';
import { type GroupBy, groupSnapshots } from './grouping.ts';
import { applyPolicy, emptyPolicy, type RetentionPolicy } from './retention.ts';

/**
 * Tiers: how long snapshots of each kind are kept, and in which storage class. A snapshot is in the hottest tier
 * that keeps it. Tiers are retention rules at the same time, so `forget` and the tiers can never disagree.
 */

type WithinRule =
  | 'within'
  | 'withinHourly'
  | 'withinDaily'
  | 'withinWeekly'
  | 'withinMonthly'
  | 'withinYearly';

/** The rule of `forget` that a tier stands for: `daily` for 30 days is --keep-within-daily 30d. */
const ruleOfKeep: Readonly<Record<TierKeep, WithinRule>> = {
  all: 'within',
  hourly: 'withinHourly',
  daily: 'withinDaily',
  weekly: 'withinWeekly',
  monthly: 'withinMonthly',
  yearly: 'withinYearly',
};

/** Snapshots counted together, as `forget` does unless it is told otherwise. */
export const tierGroups: GroupBy = { host: true, paths: true, tags: false };

/** Days, for comparing spans: years and months at their greatest. */
function daysOf({ years, months, days, hours }: CalendarDuration): number {
  return years * 366 + months * 31 + days + hours / 24;
}

/** What of the tiers contradicts itself, one sentence each; empty where they make sense. */
export function tierProblems(tiers: readonly Tier[]): { readonly tier: number; readonly message: string }[] {
  const problems: { tier: number; message: string }[] = [];
  for (const [n, tier] of tiers.entries()) {
    const before = tiers[n - 1];
    if (!before) continue;
    if (rankOf(tier.class) < rankOf(before.class)) {
      problems.push({
        tier: n,
        message: `${tier.class} is hotter than ${before.class} of the tier before: objects only ever move colder`,
      });
    }
    if (daysOf(tier.for) <= daysOf(before.for)) {
      problems.push({ tier: n, message: 'expected a longer time than that of the tier before' });
    }
  }
  const first = tiers[0];
  if (first && isArchiveClass(first.class)) {
    problems.push({
      tier: 0,
      message: `the first tier cannot be ${first.class}: what was just backed up must be readable for its proof`,
    });
  }
  return problems;
}

/** The retention that tiers imply: of several tiers of a kind the longest counts. */
export function retentionOfTiers(tiers: readonly Tier[]): RetentionPolicy {
  const policy: { -readonly [K in keyof RetentionPolicy]: RetentionPolicy[K] } = { ...emptyPolicy };
  for (const { keep, for: span } of tiers) {
    const rule = ruleOfKeep[keep];
    if (daysOf(span) > daysOf(policy[rule])) policy[rule] = span;
  }
  return policy;
}

export interface TierDecision {
  readonly snapshot: StoredSnapshot;
  /** Position of the tier; null where none keeps the snapshot. */
  readonly tier: number | null;
  /** null: no tier says where it belongs, so its data stays where it is. */
  readonly class: StorageClass | null;
  /** The rule that keeps it, as `forget` words it, or why none does. */
  readonly reason: string;
}

/** Which tier each snapshot is in, in the order given. Groups are by host and paths, as those of `forget`. */
export function placeInTiers(
  snapshots: readonly StoredSnapshot[],
  tiers: readonly Tier[],
  now: Instant,
  groupBy: GroupBy = tierGroups,
): TierDecision[] {
  const placed = new Map<string, { readonly tier: number; readonly reason: string }>();
  for (const group of groupSnapshots(snapshots, groupBy)) {
    for (const [n, { keep, for: span }] of tiers.entries()) {
      const policy = { ...emptyPolicy, [ruleOfKeep[keep]]: span };
      for (const { snapshot, matches } of applyPolicy(group.snapshots, policy, now).reasons) {
        if (!placed.has(snapshot.id)) placed.set(snapshot.id, { tier: n, reason: matches.join(', ') });
      }
    }
  }
  return snapshots.map((snapshot) => {
    const found = placed.get(snapshot.id);
    if (!found) return { snapshot, tier: null, class: null, reason: 'no tier keeps it: `forget` removes it' };
    return { snapshot, tier: found.tier, class: tiers[found.tier]!.class, reason: found.reason };
  });
}

/** Reads `30d`, `12w`, `18mo` or `7y`. @throws Error saying what was expected. */
export function parseTierSpan(text: string): CalendarDuration {
  const match = /^(\d{1,4})(d|w|mo|y)$/.exec(text);
  const number = Number(match?.[1] ?? 0);
  if (!match || number === 0) throw new Error(tierSpanExpected);
  if (match[2] === 'd') return { ...noDuration, days: number };
  if (match[2] === 'w') return { ...noDuration, days: number * 7 };
  return match[2] === 'mo' ? { ...noDuration, months: number } : { ...noDuration, years: number };
}

export const tierSpanPattern = /^[1-9]\d{0,3}(?:d|w|mo|y)$/;
export const tierSpanExpected =
  'a number of days, weeks, months or years, such as 30d, 12w, 18mo (months) or 7y';

export function formatTierSpan({ years, months, days }: CalendarDuration): string {
  if (years > 0) return `${years}y`;
  return months > 0 ? `${months}mo` : `${days}d`;
}
