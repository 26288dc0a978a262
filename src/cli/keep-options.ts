import { noDuration, parseKeepWithin } from '../policy/calendar-duration.ts';
import { parseKeepCount, type RetentionPolicy } from '../policy/retention.ts';
import { parseTagList } from '../policy/tags.ts';
import { type OptionSpec, type OptionTable, type OptionValues, valueOr, values } from './options.ts';

const keepCount = (what: string, short?: string): OptionSpec<number> =>
  valueOr({
    ...(short === undefined ? {} : { short }),
    placeholder: 'N',
    help: `keep ${what}, or all of them with \`unlimited\``,
    fallback: 0,
    parse: parseKeepCount,
  });

const keepWithin = (what: string): OptionSpec<typeof noDuration> =>
  valueOr({
    placeholder: 'DURATION',
    help: `keep ${what} younger than this, such as 1y5m7d2h, counted back from the latest snapshot`,
    fallback: noDuration,
    parse: parseKeepWithin,
  });

/** The rules of retention, as restic spells them (cmd/restic/cmd_forget.go). */
export const keepOptions = {
  'keep-last': keepCount('the last N snapshots', 'l'),
  'keep-hourly': keepCount('one snapshot for each of the last N hours that have one', 'H'),
  'keep-daily': keepCount('one for each of the last N days that have one', 'd'),
  'keep-weekly': keepCount('one for each of the last N weeks that have one', 'w'),
  'keep-monthly': keepCount('one for each of the last N months that have one', 'm'),
  'keep-yearly': keepCount('one for each of the last N years that have one', 'y'),
  'keep-within': keepWithin('all snapshots'),
  'keep-within-hourly': keepWithin('hourly snapshots'),
  'keep-within-daily': keepWithin('daily snapshots'),
  'keep-within-weekly': keepWithin('weekly snapshots'),
  'keep-within-monthly': keepWithin('monthly snapshots'),
  'keep-within-yearly': keepWithin('yearly snapshots'),
  'keep-tag': values({
    placeholder: 'TAG[,TAG]...',
    help: 'keep snapshots with all of these tags (repeatable: with one of the lists)',
    parse: parseTagList,
  }),
} satisfies OptionTable;

/** The policy that those options say. */
export function policyOf(options: OptionValues<typeof keepOptions>): RetentionPolicy {
  return {
    last: options.keepLast,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
    yearly: options.keepYearly,
    within: options.keepWithin,
    withinHourly: options.keepWithinHourly,
    withinDaily: options.keepWithinDaily,
    withinWeekly: options.keepWithinWeekly,
    withinMonthly: options.keepWithinMonthly,
    withinYearly: options.keepWithinYearly,
    tags: options.keepTag,
  };
}
