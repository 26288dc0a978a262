import { LifeboatError, messageOf } from '../../core/errors.ts';
import { removeSnapshots } from '../../engine/forget/execute.ts';
import { type ForgetGroup, type ForgetPlan, planForget, requirePolicy } from '../../engine/forget/plan.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { type Id, shortId } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { compareTimes } from '../../model/time.ts';
import { parseGroupBy } from '../../policy/grouping.ts';
import { describePolicy, isEmptyPolicy } from '../../policy/retention.ts';
import { retentionOfTiers } from '../../policy/tiers.ts';
import type { Repository } from '../../repository/repository.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { coldSettings } from '../bucket-session.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { keepOptions, policyOf } from '../keep-options.ts';
import { flag, texts, valueOr } from '../options.ts';
import { showCounter } from '../progress.ts';
import { pruneOptionsOf, pruneOptionTable } from '../prune-options.ts';
import { withRepository } from '../session.ts';
import { snapshotJson, snapshotsJson } from '../snapshot-json.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { formatSnapshotTable, groupHeading } from '../snapshot-table.ts';
import type { Output } from '../terminal.ts';

const { short: _, ...hostOption } = snapshotFilterOptions.host;

export const command = defineCommand({
  name: 'forget',
  usage: 'forget [OPTION]... [SNAPSHOT]...',
  description: `
    Removes snapshots by a policy. Snapshots are put into groups first, by host and paths unless --group-by
    says otherwise; the policy then counts in each group by itself. Snapshots that are named are removed
    whatever the policy.

    Without a rule it goes by the tiers of the repository, where the configuration has some.

    Only the snapshots go. Their data is deleted by \`lifeboat prune\`, or at once with --prune.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  exitStatuses: { 3: 'some of the snapshots could not be removed' },
  options: {
    ...keepOptions,
    'unsafe-allow-remove-all': flag({ help: 'allow that all snapshots of a group are removed' }),
    host: hostOption,
    hostname: texts({ placeholder: 'HOST', help: 'the same as --host', hidden: true }),
    tag: snapshotFilterOptions.tag,
    path: snapshotFilterOptions.path,
    compact: flag({ short: 'c', help: 'one line for each snapshot, without paths' }),
    'group-by': valueOr({
      short: 'g',
      placeholder: 'KEYS',
      help: "count for each host, paths and/or tags, separated by commas; '' counts all together",
      fallback: { host: true, paths: true, tags: false },
      parse: parseGroupBy,
    }),
    'dry-run': flag({ short: 'n', help: 'only print what would be done' }),
    prune: flag({ help: 'prune afterwards if snapshots have been removed' }),
    ...pruneOptionTable,
  },
  examples: [
    {
      command: 'lifeboat forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --prune',
      explains: 'a usual policy, and delete the data at once',
    },
    { command: 'lifeboat forget --keep-within 30d --dry-run', explains: 'only show what would go' },
    { command: 'lifeboat forget 40dc1520 79766175', explains: 'remove these two' },
  ],
  async run(context) {
    const { options, args, global, output } = context;
    const pruneOptions = pruneOptionsOf(options, global.compression);
    const { dryRun } = options;
    if (global.noLock && !dryRun)
      throw new LifeboatError('usage', '--no-lock is only possible together with --dry-run for forget');
    const host = [...options.host, ...options.hostname];
    const filter = snapshotFilterOf({ ...options, host });
    const nowMs = Date.now();
    const given = policyOf(options);
    const byRule = args.length > 0 || options.unsafeAllowRemoveAll || !isEmptyPolicy(given);
    const tiers = byRule ? [] : (await coldSettings(context)).tiers;
    const request = {
      groupBy: options.groupBy,
      policy: tiers.length > 0 ? retentionOfTiers(tiers) : given,
      filter,
      allowRemoveAll: options.unsafeAllowRemoveAll,
      now: { seconds: Math.floor(nowMs / 1000), nanoseconds: (nowMs % 1000) * 1e6 },
    };
    if (args.length === 0) requirePolicy(request);

    if (context.options.prune) warmThreads();
    return withRepository(context, global.noLock ? 'shared' : 'exclusive', async (repository, signal) => {
      const snapshots = await loadSnapshots(repository, args, filter);
      let plan: ForgetPlan = { groups: [], remove: snapshots };
      if (args.length === 0) {
        const origin = tiers.length > 0 ? ' (the tiers of the configuration)' : '';
        output.info(`Applying Policy: ${describePolicy(request.policy)}${origin}`);
        plan = planForget(snapshots, request);
        if (!output.json) for (const group of plan.groups) printGroup(context, group, options.compact);
      }
      const held = await heldSnapshots(repository, plan, args.length > 0, signal);
      if (held.size > 0)
        output.info(`${plural(held.size, 'snapshot')} held until released: kept whatever the policy says`);
      const ids = plan.remove.map(({ id }) => id).filter((id) => !held.has(id));
      const failed = ids.length === 0 ? 0 : await remove(context, repository, ids, dryRun, signal);
      if (output.json && plan.groups.length > 0) output.line(`[${plan.groups.map(groupJson).join(',')}]`);
      if (failed > 0) {
        throw new LifeboatError(
          'incomplete-forget',
          `${failed} of ${ids.length} snapshots could not be removed`,
        );
      }
      if (ids.length > 0 && options.prune) {
        output.info(
          dryRun
            ? `${ids.length} snapshots would be removed, running prune dry run`
            : `${ids.length} snapshots have been removed, running prune`,
        );
        const { runPrune } = await import('../run-prune.ts');
        await runPrune(context, repository, {
          options: pruneOptions,
          dryRun,
          ignore: new Set(ids),
          signal,
        });
      }
      return 0;
    });
  },
});

type Context = Pick<CommandContext, 'output' | 'env'>;

/**
 * Which of the snapshots that would go are held: those stay, where a policy chose them.
 * @throws LifeboatError `snapshot-held` where somebody has named one of them.
 */
async function heldSnapshots(
  { storage }: Repository,
  plan: ForgetPlan,
  named: boolean,
  signal: AbortSignal,
): Promise<ReadonlySet<Id>> {
  if (!storage.vault || plan.remove.length === 0) return new Set();
  const { heldAmong, refuseHeld } = await import('../../engine/immutability/hold.ts');
  const ids = plan.remove.map(({ id }) => id);
  if (named) await refuseHeld(storage, ids, signal);
  return named ? new Set() : heldAmong(storage, ids, signal);
}

/** Returns how many could not be removed. */
async function remove(
  { output, env }: Context,
  repository: Repository,
  ids: readonly Id[],
  dryRun: boolean,
  signal: AbortSignal,
): Promise<number> {
  if (dryRun) {
    const shown = ids.map(shortId).toSorted().join(' ');
    output.info(`Would have removed the following snapshots:\n{${shown}}\n`);
    return 0;
  }
  const counter = showCounter(output, env, 'files deleted', ids.length);
  const onDone = (id: Id, error: unknown): void => {
    counter.add(1);
    if (error === null) output.veryVerbose(`removed snapshot/${id}`);
    else output.warn(`unable to remove snapshot ${id} from the repository: ${messageOf(error)}`);
  };
  const { failed } = await removeSnapshots(repository, ids, onDone, signal).finally(() => counter.stop());
  return failed.size;
}

function printGroup({ output, env }: Context, group: ForgetGroup, compact: boolean): void {
  const heading = groupHeading(group.key);
  if (heading !== null) output.verbose(heading);
  const reasons = new Map(group.reasons.map(({ snapshot, matches }) => [snapshot.id, matches]));
  printSnapshots(output, 'keep', group.keep, (listed) =>
    formatSnapshotTable(listed, env, { compact, reasons: listed.map(({ id }) => reasons.get(id) ?? []) }),
  );
  printSnapshots(output, 'remove', group.remove, (listed) => formatSnapshotTable(listed, env, { compact }));
}

function printSnapshots(
  output: Output,
  verb: string,
  snapshots: readonly StoredSnapshot[],
  format: (listed: readonly StoredSnapshot[]) => string[],
): void {
  if (snapshots.length === 0) return;
  output.info(`${verb} ${snapshots.length} snapshots:`);
  for (const line of format(snapshots.toSorted((a, b) => compareTimes(a.time, b.time)))) output.info(line);
  output.info();
}

/** Lists without elements are null, as Go writes them. */
function groupJson({ key, keep, remove, reasons }: ForgetGroup): string {
  const list = (snapshots: readonly StoredSnapshot[]): string =>
    snapshots.length === 0 ? 'null' : snapshotsJson(snapshots);
  const why = reasons.map(
    ({ snapshot, matches }) => `{"snapshot":${snapshotJson(snapshot)},"matches":${JSON.stringify(matches)}}`,
  );
  const { tags, hostname, paths } = key;
  return `{"tags":${JSON.stringify(tags)},"host":${JSON.stringify(hostname)},"paths":${JSON.stringify(paths)},"keep":${list(keep)},"remove":${list(remove)},"reasons":${why.length === 0 ? 'null' : `[${why.join(',')}]`}}`;
}
