import { storageAt } from '../../app/connect.ts';
import { LifeboatError } from '../../core/errors.ts';
import { executeUndelete, prepareUndelete, type UndeletePlan } from '../../engine/immutability/hidden.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { locateRepository } from '../configured.ts';
import { confirm } from '../confirm.ts';
import { formatBytes, formatZonedTime, plural } from '../format.ts';
import { flag, value } from '../options.ts';
import { showCounter } from '../progress.ts';
import { storageAccess } from '../storage-access.ts';
import { formatTable } from '../table.ts';

/** `2026-03-01T12:00:00+01:00`, a time with its zone. */
function parseMoment(text: string): number {
  const ms = /(?:Z|[+-]\d{2}:?\d{2})$/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (Number.isNaN(ms)) throw new Error('expected a time with its zone, such as 2026-03-01T12:00:00+01:00');
  return ms;
}

export const command = defineCommand({
  name: 'undelete',
  usage: 'undelete --since TIME [OPTION]...',
  description: `
    Brings back what somebody deleted or overwrote in a bucket that keeps versions, as one with Object Lock does: there,
    deleting only hides. Takes away the delete markers that were set since a time, and where the newest version of an
    object is not what its name says, stores the right one again.

    It works without the password, as even keys may be hidden. It needs credentials that may list and delete versions,
    or at least write: those of an administrator, not of the backup job. Change the job's credentials first. What was
    forgotten or pruned since then comes back as well; \`forget\` and \`prune\` remove it again.`,
  options: {
    since: value({
      placeholder: 'TIME',
      help: 'what was hidden or overwritten since then, such as 2026-03-01T12:00:00+01:00',
      parse: parseMoment,
    }),
    'dry-run': flag({ short: 'n', help: 'only print what would be brought back' }),
    yes: flag({ short: 'y', help: 'do not ask' }),
  },
  examples: [
    {
      command: 'lifeboat repair undelete --since 2026-03-01T00:00:00+01:00 --dry-run',
      explains: 'see what was deleted since then',
    },
    { command: 'lifeboat repair undelete --since 2026-03-01T00:00:00+01:00', explains: 'and bring it back' },
  ],
  documentation: 'storage.md',
  async run(context) {
    const { options, global, output, env, signal } = context;
    if (options.since === undefined)
      throw new LifeboatError('usage', 'since when? Give --since TIME', {
        hint: 'a time before the first harm was done, such as that of the last good backup',
      });
    const located = await locateRepository(global, context);
    const { layer: _, ...access } = storageAccess(context, located.options);
    const storage = storageAt(located.location, access);
    output.info('list all versions');
    const plan = await prepareUndelete(storage, options.since);
    const found = plan.hidden.length + plan.overwritten.length;
    if (!output.json) printPlan(context, plan);
    const message = planMessage(plan);
    if (options.dryRun || found === 0) {
      if (output.json) output.jsonLine({ message_type: 'undelete', dry_run: options.dryRun, ...message });
      return 0;
    }
    await confirm(context, 'Bring this back?', options.yes);
    const counter = showCounter(output, env, 'objects', found);
    const report = await executeUndelete(storage, plan, { signal, onDone: () => counter.add(1) }).finally(
      () => counter.stop(),
    );
    for (const { message } of report.failed) output.warn(message);
    if (output.json)
      output.jsonLine({
        message_type: 'undelete',
        dry_run: false,
        ...message,
        restored: report.restored,
        replaced: report.replaced,
        failed: report.failed.map(({ key }) => key),
      });
    else
      output.info(
        `${plural(report.restored, 'object')} can be read again, ${report.replaced} had been overwritten; ` +
          'run `lifeboat check`, then look at the snapshots',
      );
    if (report.failed.length > 0)
      throw new LifeboatError(
        'repository-damaged',
        `${plural(report.failed.length, 'object')} at ${storage.location} could not be brought back`,
      );
    return 0;
  },
});

type Context = Pick<CommandContext, 'output'>;

function planMessage({ hidden, overwritten, bytes, earliestMs, latestMs }: UndeletePlan) {
  const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    hidden: hidden.length,
    hidden_bytes: bytes,
    overwritten: overwritten.length,
    first_hidden: iso(earliestMs),
    last_hidden: iso(latestMs),
  };
}

/** By folder, as that says what they are. */
function printPlan(
  { output }: Context,
  { hidden, overwritten, bytes, earliestMs, latestMs }: UndeletePlan,
): void {
  const folderOf = (key: string): string => /^(?:lifeboat\/)?[^/]+/.exec(key)?.[0] ?? key;
  const counts = new Map<string, [hidden: number, overwritten: number]>();
  const count = (key: string, column: 0 | 1): void => {
    const row = counts.get(folderOf(key)) ?? [0, 0];
    row[column]++;
    counts.set(folderOf(key), row);
  };
  for (const { key } of hidden) count(key, 0);
  for (const { key } of overwritten) count(key, 1);
  if (counts.size === 0) {
    output.info('nothing was hidden or overwritten since then');
    return;
  }
  const rows = [...counts].map(([folder, [a, b]]) => [folder, String(a), String(b)]);
  for (const line of formatTable(['what', 'hidden', 'overwritten'], rows)) output.info(line);
  if (earliestMs !== null && latestMs !== null)
    output.info(
      `${formatBytes(bytes)}, hidden between ${formatZonedTime(earliestMs, false)} and ${formatZonedTime(latestMs, false)}`,
    );
}
