import type { Danger } from '../engine/cold/lifecycle-dangers.ts';
import type { LifecyclePlan } from '../engine/cold/lifecycle-plan.ts';
import { isOwnRule } from '../engine/cold/lifecycle-rules.ts';
import type { LifecycleRule, StoredLifecycleRule } from '../model/lifecycle.ts';
import { plural } from './format.ts';
import { diffLines } from './line-diff.ts';
import type { Output } from './terminal.ts';

/** How lifecycle rules are shown: each as a few lines of words, in the same words in the list and in the diff. */

function scopeOf({ prefix, tags, bytesAbove, bytesBelow }: LifecycleRule): string {
  const conditions = [
    ...Object.entries(tags).map(([key, value]) => `with the tag ${key}=${value}`),
    ...(bytesAbove === null ? [] : [`larger than ${bytesAbove} bytes`]),
    ...(bytesBelow === null ? [] : [`smaller than ${bytesBelow} bytes`]),
  ];
  return [prefix === '' ? 'all objects' : prefix, ...conditions].join(', ');
}

/** @param root tells own rules from those of others. */
export function ruleLines(rule: LifecycleRule, root: string): string[] {
  const { expiration } = rule;
  const day = (days: number): string => plural(days, 'day');
  const lines = [
    ['objects', scopeOf(rule)],
    ...(rule.enabled ? [] : [['status', 'disabled']]),
    ...rule.transitions.map(({ days, date, storageClass }) => [
      'moved',
      `to ${storageClass} ${days === null ? `from ${date?.slice(0, 10)} on` : days === 0 ? 'at once' : `when ${day(days)} old`}`,
    ]),
    ...(expiration
      ? [
          [
            'deleted',
            expiration.days === null
              ? `from ${expiration.date?.slice(0, 10)} on`
              : `when ${day(expiration.days)} old`,
          ],
        ]
      : []),
    ...rule.noncurrentTransitions.map(({ days, storageClass }) => [
      'old versions moved',
      `to ${storageClass} after ${day(days)}`,
    ]),
    ...(rule.noncurrentExpirationDays === null
      ? []
      : [['old versions deleted', `after ${day(rule.noncurrentExpirationDays)}`]]),
    ...(rule.expiredDeleteMarkers ? [['delete markers', 'removed when nothing is left behind them']] : []),
    ...(rule.abortUploadsAfterDays === null
      ? []
      : [['unfinished uploads', `given up after ${day(rule.abortUploadsAfterDays)}`]]),
  ];
  const owner = isOwnRule(rule.id, root) ? '' : '  (of others)';
  return [`rule ${rule.id}${owner}`, ...lines.map(([label, value]) => `  ${label}: ${value}`)];
}

export function printRules(output: Output, rules: readonly StoredLifecycleRule[], root: string): void {
  for (const [n, rule] of rules.entries()) {
    if (n > 0) output.line();
    for (const line of ruleLines(rule, root)) output.line(line);
  }
}

/** A rule without the storage's own form of it. */
export function ruleJson(rule: LifecycleRule): Record<string, unknown> {
  const { source: _, ...facts } = rule as StoredLifecycleRule;
  return facts;
}

/** The diff of what there is and what will be; rules that stay are left out. */
export function printDiff(output: Output, { add, change, remove }: LifecyclePlan, root: string): void {
  const blocks = [
    ...remove.map((rule) => diffLines(ruleLines(rule, root), [])),
    ...change.map(({ before, after }) => diffLines(ruleLines(before, root), ruleLines(after, root))),
    ...add.map((rule) => diffLines([], ruleLines(rule, root))),
  ];
  for (const [n, block] of blocks.entries()) {
    if (n > 0) output.line();
    for (const { sign, text } of block) output.line(`${sign} ${text}`);
  }
}

export function diffJson({ add, change, remove, keep }: LifecyclePlan): Record<string, unknown> {
  return {
    message_type: 'diff',
    add: add.map(ruleJson),
    change: change.map(({ before, after }) => ({ before: ruleJson(before), after: ruleJson(after) })),
    remove: remove.map(ruleJson),
    keep: keep.map(({ id }) => id),
  };
}

export function printDangers(output: Output, dangers: readonly Danger[]): void {
  for (const { rule, severity, message } of dangers) {
    const text = `the rule ${rule} ${message}`;
    if (severity === 'error') output.warn(`danger: ${text}`);
    else output.warn(`warning: ${text}`);
  }
}
