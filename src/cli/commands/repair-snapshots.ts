import { LifeboatError } from '../../core/errors.ts';
import {
  executeSnapshotRepair,
  planSnapshotRepair,
  type RepairedSnapshot,
  type SnapshotRepairPlan,
} from '../../engine/repair/repair-snapshots.ts';
import { type Id, shortId } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { selectSnapshots } from '../../policy/snapshot-selection.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { listSnapshots, removeSnapshot } from '../../repository/snapshots.ts';
import { defineCommand } from '../command.ts';
import { formatLocalTime, plural } from '../format.ts';
import { flag } from '../options.ts';
import { openSession, withSessionLock } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { withoutCache } from '../storage-access.ts';
import type { Output } from '../terminal.ts';

export const command = defineCommand({
  name: 'snapshots',
  usage: 'snapshots [OPTION]... [SNAPSHOT]...',
  description: `
    Makes new snapshots of those that are broken, without what is lost: files lose the parts that are missing,
    folders that cannot be read become empty. Sound snapshots are not touched. The new ones have the tag
    \`repaired\`; with --forget they take the place of the broken ones.

    The index must be sound, so run \`lifeboat repair index\` first. Where the files still exist, a backup brings
    the missing data back and heals old snapshots as well: then nothing needs to be cut out.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    'dry-run': flag({ short: 'n', help: 'change nothing, only say what would be done' }),
    forget: flag({ help: 'remove the broken snapshots when the new ones are stored' }),
  },
  examples: [
    { command: 'lifeboat repair snapshots --dry-run', explains: 'what is lost' },
    { command: 'lifeboat repair snapshots --forget', explains: 'repair all of them' },
    {
      command: 'lifeboat repair snapshots --forget 40dc1520',
      explains: 'also removes this one if its file cannot be read',
    },
  ],
  async run(context) {
    const { options, args, output } = context;
    const { forget, dryRun } = options;
    const repository = await openSession(withoutCache(context));
    const work = async (signal: AbortSignal): Promise<number> => {
      const { snapshots, broken } = await listSnapshots(repository, true);
      const unreadable = [...broken.keys()];
      const named = unreadable.filter((id) => args.some((name) => id.startsWith(name)));
      const names = args.filter((name) => !unreadable.some((id) => id.startsWith(name)));
      const wanted =
        names.length === 0 && args.length > 0
          ? []
          : chosen(snapshots, names, snapshotFilterOf(options), output);
      const index = await loadIndex(repository);
      const plan = await planSnapshotRepair(repository, index, wanted, { signal });
      printPlan(output, plan, { dryRun, forget });
      const removable = forget ? named : [];
      if (!dryRun) {
        const done = await executeSnapshotRepair(repository, index, plan, { forget, signal });
        for (const id of removable) await removeSnapshot(repository, id);
        printReport(output, done, removable);
      } else for (const id of removable) output.info(`would remove the unreadable snapshot ${id}`);
      refuseUnreadable(args.length === 0 ? unreadable : named.filter((id) => !removable.includes(id)));
      return 0;
    };
    return dryRun ? work(context.signal) : withSessionLock(context, repository, 'exclusive', work);
  },
});

function chosen(
  all: readonly StoredSnapshot[],
  names: readonly string[],
  filter: ReturnType<typeof snapshotFilterOf>,
  output: Output,
): readonly StoredSnapshot[] {
  const { snapshots, problems } = selectSnapshots(all, names, filter);
  for (const problem of problems) {
    if (problem.code === 'snapshot-missing') throw problem;
    output.warn(problem.message);
  }
  return snapshots;
}

/** @throws LifeboatError for the first snapshot file that cannot be read and was not to be removed. */
function refuseUnreadable(ids: readonly Id[]): void {
  const [first] = ids;
  if (first === undefined) return;
  throw new LifeboatError(
    'repository-damaged',
    `${plural(ids.length, 'snapshot file')} cannot be read: ${ids.map(shortId).join(' ')}`,
    { hint: `\`lifeboat repair snapshots --forget ${ids.join(' ')}\` removes what is unreadable` },
  );
}

function printPlan(
  output: Output,
  plan: SnapshotRepairPlan,
  { dryRun, forget }: { dryRun: boolean; forget: boolean },
): void {
  if (output.json) {
    for (const { snapshot, tree, repairs } of plan.snapshots)
      output.jsonLine({
        message_type: 'repair',
        snapshot: snapshot.id,
        tree,
        repairs: repairs.map(({ what, message }) => ({ what, message })),
      });
    return;
  }
  for (const { snapshot, tree, repairs } of plan.snapshots) {
    const { id, time, paths } = snapshot;
    output.info(`\nsnapshot ${shortId(id)} of ${paths.join(', ')} at ${formatLocalTime(time)}`);
    for (const { message } of repairs) output.info(`  ${message}`);
    if (repairs.length === 0) output.info('  the same as in a snapshot above');
    if (tree === null && !forget) output.info('  nothing of it is left; --forget removes it');
    else if (dryRun && tree === null) output.info('  would remove this snapshot');
    else if (dryRun) output.info(`  would save a new snapshot${forget ? ' and remove this one' : ''}`);
  }
  if (plan.snapshots.length === 0) output.info('no snapshot needs repair');
}

function printReport(output: Output, done: readonly RepairedSnapshot[], removed: readonly Id[]): void {
  if (output.json) {
    output.jsonLine({
      message_type: 'summary',
      repaired: done.map((one) => ({ old: one.old, new: one.new, old_removed: one.oldRemoved })),
      removed_unreadable: removed,
    });
    return;
  }
  output.info();
  for (const one of done) {
    if (one.new !== null) output.info(`saved new snapshot ${shortId(one.new)} for ${shortId(one.old)}`);
    if (one.oldRemoved) output.info(`removed snapshot ${shortId(one.old)}`);
  }
  for (const id of removed) output.info(`removed the unreadable snapshot ${shortId(id)}`);
  const modified = done.filter((one) => one.new !== null || one.oldRemoved).length + removed.length;
  output.info(modified === 0 ? 'no snapshots were modified' : `modified ${plural(modified, 'snapshot')}`);
}
