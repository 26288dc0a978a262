import { LifeboatError } from '../../core/errors.ts';
import type { HoldPlan } from '../../engine/immutability/hold.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { shortId } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { anySnapshot } from '../../policy/snapshot-selection.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { formatBytes, plural } from '../format.ts';
import { flag } from '../options.ts';
import { showCounter } from '../progress.ts';
import { withRepository } from '../session.ts';
import { snapshotJson } from '../snapshot-json.ts';
import { formatSnapshotTable } from '../snapshot-table.ts';

export const command = defineCommand({
  name: 'hold',
  usage: 'hold [OPTION]... SNAPSHOT... | --list',
  description: `
    Holds snapshots: all that they need stays in the bucket until the hold is released, whatever policies and
    retention say. \`forget\` and others refuse to remove a held snapshot. It is a legal hold of Object Lock, recorded
    by the bucket itself, so it is known wherever the repository is used.

    Snapshots that share data share its hold: it ends when the last of them is released.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    release: flag({ help: 'release the snapshots' }),
    list: flag({ help: 'list the held snapshots' }),
    'dry-run': flag({ short: 'n', help: 'only print what would be held or released' }),
  },
  examples: [
    { command: 'lifeboat hold 40dc1520', explains: 'keep this snapshot until further notice' },
    { command: 'lifeboat hold --list', explains: 'which snapshots are held' },
    { command: 'lifeboat hold --release 40dc1520', explains: 'let it go the way of the others' },
  ],
  documentation: 'storage.md',
  async run(context) {
    const { options, args } = context;
    if (options.list && (options.release || args.length > 0))
      throw new LifeboatError('usage', '--list takes neither snapshots nor --release');
    if (!options.list && args.length === 0)
      throw new LifeboatError('usage', 'no snapshot was given', {
        hint: 'name the snapshots to hold, or give --list',
      });
    await withRepository(context, 'shared', async (repository, signal) => {
      const { vaultOf } = await import('../../engine/immutability/vault.ts');
      vaultOf(repository.storage);
      if (options.list) await list(context, repository, signal);
      else await change(context, repository, { ...options, args, signal });
    });
    return 0;
  },
});

type Context = Pick<CommandContext, 'output' | 'env'>;

async function list({ output, env }: Context, repository: Repository, signal: AbortSignal): Promise<void> {
  const { heldAmong } = await import('../../engine/immutability/hold.ts');
  const { snapshots } = await listSnapshots(repository);
  const held = await heldAmong(
    repository.storage,
    snapshots.map(({ id }) => id),
    signal,
  );
  const found = snapshots.filter(({ id }) => held.has(id));
  if (output.json)
    for (const snapshot of found)
      output.line(`{"message_type":"held_snapshot","snapshot":${snapshotJson(snapshot)}}`);
  else if (found.length === 0) output.line('no snapshot is held');
  else for (const line of formatSnapshotTable(found, env, {})) output.line(line);
}

interface Change {
  readonly release: boolean;
  readonly dryRun: boolean;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
}

async function change(
  context: Context,
  repository: Repository,
  { release, dryRun, args, signal }: Change,
): Promise<void> {
  const { output, env } = context;
  const { executeHold, planHold, planRelease } = await import('../../engine/immutability/hold.ts');
  const snapshots = await loadSnapshots(repository, args, anySnapshot);
  const ids = snapshots.map(({ id }: StoredSnapshot) => id);
  const trees = showCounter(output, env, 'trees');
  const options = { signal, onTrees: (number: number) => trees.add(number) };
  const plan = await (release
    ? planRelease(repository, ids, options)
    : planHold(repository, ids, options)
  ).finally(() => trees.stop());
  printPlan(output, plan, dryRun);
  if (!dryRun) {
    const counter = showCounter(output, env, 'objects', plan.objects.length);
    await executeHold(repository, plan, { signal, onDone: () => counter.add(1) }).finally(() =>
      counter.stop(),
    );
  }
  if (output.json)
    output.jsonLine({
      message_type: plan.action,
      dry_run: dryRun,
      snapshots: plan.snapshots,
      objects: plan.objects.length,
      bytes: plan.bytes,
      shared_objects: plan.shared,
    });
  else if (!dryRun)
    output.info(
      release
        ? 'released; their retention and the policies count again'
        : 'held until `lifeboat hold --release`; `lifeboat hold --list` shows them',
    );
}

function printPlan(output: Context['output'], plan: HoldPlan, dryRun: boolean): void {
  const verbs = { hold: ['holding', 'would hold'], release: ['releasing', 'would release'] } as const;
  const verb = verbs[plan.action][dryRun ? 1 : 0];
  const names = plan.snapshots.map(shortId).join(' ');
  output.info(
    `${verb} ${names}: ${plural(plan.objects.length, 'object')}, ${formatBytes(plan.bytes)}` +
      (plan.shared > 0 ? `; ${plan.shared} more stay held for other snapshots` : ''),
  );
}
