import { findOrphans, saveOrphans } from '../../engine/repair/repair-orphans.ts';
import { shortId } from '../../model/id.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { showCheckProgress } from '../check-progress.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { flag } from '../options.ts';
import type { Progress } from '../progress.ts';
import { repairIndex } from '../run-repair-index.ts';
import { withRepository } from '../session.ts';
import { withoutCache } from '../storage-access.ts';

const options = {
  'dry-run': flag({ short: 'n', help: 'change nothing, only say what would be found' }),
};

const description = `
  Finds folders in the stored data that no snapshot and no other folder refers to, such as those of a snapshot
  that was forgotten by accident, and makes one snapshot of them with the tag \`recovered\`. Works until the
  data is pruned.`;

export const command = defineCommand({
  name: 'orphans',
  usage: 'orphans [OPTION]...',
  description,
  options,
  examples: [{ command: 'lifeboat repair orphans', explains: 'after a snapshot was forgotten by accident' }],
  run: recover,
});

/** The same under the name that restic's users know. */
export const recoverCommand = defineCommand({
  name: 'recover',
  usage: 'recover [OPTION]...',
  description,
  options,
  run: recover,
});

function recover(context: CommandContext<typeof options>): Promise<number> {
  const { output, env } = context;
  const { dryRun } = context.options;
  return withRepository(
    withoutCache(context),
    dryRun ? 'shared' : 'exclusive',
    async (repository, signal) => {
      const { snapshots } = await listSnapshots(repository);
      if (!dryRun) await repairIndex(context, repository, { readAllPacks: false, dryRun, signal });
      const index = await loadIndex(repository);
      let progress: Progress | undefined;
      output.info('read all folders');
      const plan = await findOrphans(
        repository,
        index,
        snapshots,
        {
          problem: ({ message }) => output.warn(message),
          watch(sample) {
            progress = showCheckProgress(output, env, sample);
          },
        },
        signal,
      ).finally(() => progress?.stop());
      const { roots, treesRead } = plan;
      output.info(`found ${plural(roots.length, 'orphaned folder')} among ${treesRead}`);
      for (const id of roots) output.verbose(`  ${id}`);
      const saved = dryRun || roots.length === 0 ? null : await saveOrphans(repository, index, plan);
      if (output.json)
        output.jsonLine({ message_type: 'summary', roots, snapshot_id: saved, dry_run: dryRun });
      else if (saved !== null) output.line(`saved new snapshot ${shortId(saved)}`);
      return 0;
    },
  );
}
