import type { StoredSnapshot } from '../model/snapshot.ts';
import type { Instant } from '../model/time.ts';
import { compareTimes, parseTime } from '../model/time.ts';
import type { CalendarDuration } from './calendar-duration.ts';
import { formatCalendarDuration, isNoDuration, noDuration } from './calendar-duration.ts';
import type { TagList } from './tags.ts';
import { formatTagList, hasTags } from './tags.ts';
import type { WallClock } from './wall-clock.ts';
import { instantBefore, isoWeek, wallClockOf } from './wall-clock.ts';

/** Keep without a limit. */
export const unlimited = -1;

/** Which snapshots stay, in restic's terms (internal/data/snapshot_policy.go). 0: the rule does not apply. */
export interface RetentionPolicy {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  readonly within: CalendarDuration;
  readonly withinHourly: CalendarDuration;
  readonly withinDaily: CalendarDuration;
  readonly withinWeekly: CalendarDuration;
  readonly withinMonthly: CalendarDuration;
  readonly withinYearly: CalendarDuration;
  /** Snapshots that satisfy one of these lists stay whatever the other rules say. */
  readonly tags: readonly TagList[];
}

export const emptyPolicy: RetentionPolicy = {
  last: 0,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  within: noDuration,
  withinHourly: noDuration,
  withinDaily: noDuration,
  withinWeekly: noDuration,
  withinMonthly: noDuration,
  withinYearly: noDuration,
  tags: [],
};

type CountRule = 'last' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';
type WithinRule = 'withinHourly' | 'withinDaily' | 'withinWeekly' | 'withinMonthly' | 'withinYearly';

export interface KeepReason {
  readonly snapshot: StoredSnapshot;
  /** The rules that keep it, as restic words them: `daily snapshot`, `within 1m`, `has tags [a]`. */
  readonly matches: readonly string[];
  /** What is left of each count after this snapshot; those at zero are absent. */
  readonly counters: Partial<Record<CountRule, number>>;
}

/** What would be kept and removed; newest first, `reasons` in the order of `keep`. */
export interface RetentionPlan {
  readonly keep: readonly StoredSnapshot[];
  readonly remove: readonly StoredSnapshot[];
  readonly reasons: readonly KeepReason[];
}

/** The period that a moment falls into, as a number; two snapshots in one period share it. */
type Period = (wall: WallClock, position: number) => number;

const hourOf: Period = ({ year, month, day, hour }) => ((year * 100 + month) * 100 + day) * 100 + hour;
const dayOf: Period = ({ year, month, day }) => (year * 100 + month) * 100 + day;
const weekOf: Period = (wall) => {
  const { year, week } = isoWeek(wall);
  return year * 100 + week;
};
const monthOf: Period = ({ year, month }) => year * 100 + month;
const yearOf: Period = ({ year }) => year;
const each: Period = (_, position) => position;

const countRules: readonly (readonly [CountRule, Period, string])[] = [
  ['last', each, 'last snapshot'],
  ['hourly', hourOf, 'hourly snapshot'],
  ['daily', dayOf, 'daily snapshot'],
  ['weekly', weekOf, 'weekly snapshot'],
  ['monthly', monthOf, 'monthly snapshot'],
  ['yearly', yearOf, 'yearly snapshot'],
];

const withinRules: readonly (readonly [WithinRule, Period, string])[] = [
  ['withinHourly', hourOf, 'hourly within'],
  ['withinDaily', dayOf, 'daily within'],
  ['withinWeekly', weekOf, 'weekly within'],
  ['withinMonthly', monthOf, 'monthly within'],
  ['withinYearly', yearOf, 'yearly within'],
];

/** Go's zero time, which counts as the latest when every snapshot is from the future. */
const zeroTime = '0001-01-01T00:00:00Z';

export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return (
    policy.tags.length === 0 &&
    countRules.every(([rule]) => policy[rule] === 0) &&
    withinRules.every(([rule]) => isNoDuration(policy[rule])) &&
    isNoDuration(policy.within)
  );
}

/**
 * Decides about the snapshots of one group. Periods are those of the zone that each snapshot's time is
 * written in; `within` counts back from the newest snapshot that is not from the future. While a count has
 * something left, the oldest snapshot stays too.
 */
export function applyPolicy(
  snapshots: readonly StoredSnapshot[],
  policy: RetentionPolicy,
  now: Instant,
): RetentionPlan {
  const sorted = newestFirst(snapshots);
  const latest = latestTime(sorted, now);
  const tagRule = keepByTags(policy.tags);
  const withinRule = keepWithin(policy.within, latest);
  const counts = countRules.map(([rule, period, reason]) => countingRule(rule, policy[rule], period, reason));
  const spans = withinRules.map(([rule, period, reason]) => spanRule(policy[rule], latest, period, reason));
  const rules: KeepRule[] = [tagRule, withinRule, ...counts.map(({ keep }) => keep), ...spans];

  const plan = { keep: [] as StoredSnapshot[], remove: [] as StoredSnapshot[], reasons: [] as KeepReason[] };
  for (const [position, snapshot] of sorted.entries()) {
    const candidate: Candidate = {
      snapshot,
      instant: parseTime(snapshot.time),
      wall: wallClockOf(snapshot.time),
      position,
      isOldest: position === sorted.length - 1,
    };
    const matches = rules.flatMap((rule) => rule(candidate));
    if (matches.length === 0) {
      plan.remove.push(snapshot);
      continue;
    }
    const counters: Partial<Record<CountRule, number>> = {};
    for (const { rule, left } of counts) if (left() !== 0) counters[rule] = left();
    plan.keep.push(snapshot);
    plan.reasons.push({ snapshot, matches, counters });
  }
  return plan;
}

/** Newest first; snapshots of the same instant stay in the order given. */
export function newestFirst<T extends StoredSnapshot>(snapshots: readonly T[]): T[] {
  return snapshots.toSorted((a, b) => compareTimes(b.time, a.time));
}

interface Candidate {
  readonly snapshot: StoredSnapshot;
  readonly instant: Instant;
  readonly wall: WallClock;
  readonly position: number;
  readonly isOldest: boolean;
}

/** Asked about the snapshots from the newest to the oldest; says why one is kept, or nothing. */
type KeepRule = (candidate: Candidate) => string[];

const noRule: KeepRule = () => [];

function keepByTags(lists: readonly TagList[]): KeepRule {
  return ({ snapshot }) =>
    lists.filter((tags) => hasTags(snapshot, tags)).map((tags) => `has tags ${formatTagList(tags)}`);
}

function keepWithin(duration: CalendarDuration, latest: string): KeepRule {
  if (isNoDuration(duration)) return noRule;
  const since = instantBefore(latest, duration);
  const reason = [`within ${formatCalendarDuration(duration)}`];
  return ({ instant }) => (isAfter(instant, since) ? reason : []);
}

interface CountingRule {
  readonly rule: CountRule;
  readonly keep: KeepRule;
  left(): number;
}

function countingRule(rule: CountRule, count: number, period: Period, reason: string): CountingRule {
  let left = count;
  const firstOfPeriod = keepFirstOfPeriod(period, reason);
  return {
    rule,
    left: () => left,
    keep(candidate) {
      if (left === 0) return [];
      const matches = firstOfPeriod(candidate);
      if (matches.length > 0 && left > 0) left -= 1;
      return matches;
    },
  };
}

function spanRule(duration: CalendarDuration, latest: string, period: Period, reason: string): KeepRule {
  if (isNoDuration(duration)) return noRule;
  const since = instantBefore(latest, duration);
  const firstOfPeriod = keepFirstOfPeriod(period, reason);
  const span = formatCalendarDuration(duration);
  return (candidate) =>
    isAfter(candidate.instant, since) ? firstOfPeriod(candidate).map((match) => `${match} ${span}`) : [];
}

function keepFirstOfPeriod(period: Period, reason: string): KeepRule {
  let last = -1;
  return ({ wall, position, isOldest }) => {
    const current = period(wall, position);
    const isNew = current !== last;
    if (!isNew && !isOldest) return [];
    last = current;
    return [isNew ? reason : `oldest ${reason}`];
  };
}

function isAfter(a: Instant, b: Instant): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}

function latestTime(sorted: readonly StoredSnapshot[], now: Instant): string {
  return sorted.find(({ time }) => isAfter(now, parseTime(time)))?.time ?? zeroTime;
}

/** What the policy does in words, as restic prints it: `keep 3 daily snapshots`. */
export function describePolicy(policy: RetentionPolicy): string {
  const counts = countRules
    .filter(([rule]) => policy[rule] > 0 || policy[rule] === unlimited)
    .map(
      ([rule]) => `${policy[rule] === unlimited ? 'all' : policy[rule]} ${rule === 'last' ? 'latest' : rule}`,
    );
  const spans = withinRules
    .filter(([rule]) => !isNoDuration(policy[rule]))
    .map(
      ([rule, , reason]) =>
        `${reason.replace(' within', ' snapshots within')} ${formatCalendarDuration(policy[rule])}`,
    );
  const periods = [...(counts.length > 0 ? [`${counts.join(', ')} snapshots`] : []), ...spans].join(', ');
  const others = [
    policy.tags.length > 0 ? `all snapshots with tags [${policy.tags.map(formatTagList).join(' ')}]` : '',
    isNoDuration(policy.within)
      ? ''
      : `all snapshots within ${formatCalendarDuration(policy.within)} of the newest`,
  ];
  const said = [periods, ...others].filter((part) => part !== '').join(' and ');
  return said === '' ? 'remove' : `keep ${said}`;
}

/**
 * A count for --keep-last and its like: a number, or `unlimited`.
 *
 * @throws Error saying what was expected.
 */
export function parseKeepCount(text: string): number {
  if (text === 'unlimited') return unlimited;
  if (!/^\+?\d+$/.test(text)) throw new Error('expected a number, or unlimited');
  return Number(text);
}
