import { LifeboatError } from '../../core/errors.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { defineCommand } from '../command.ts';
import { flag } from '../options.ts';
import { pruneOptionsOf, pruneOptionTable } from '../prune-options.ts';
import { runPrune } from '../run-prune.ts';
import { withRepository } from '../session.ts';

export const command = defineCommand({
  name: 'prune',
  usage: 'prune [OPTION]...',
  description: `
    Deletes data that no snapshot refers to any more. Packs without any data in use are deleted; packs that
    are partly in use are repacked until no more than --max-unused of the repository is unused. Of the journals of
    databases, the log older than every kept backup goes as well.

    It may be stopped at any moment: the repository stays sound, and the next run goes on from there.`,
  options: {
    'dry-run': flag({ short: 'n', help: 'only print what would be done' }),
    ...pruneOptionTable,
  },
  examples: [
    { command: 'lifeboat prune', explains: 'delete what is not needed, and tolerate 5% of unused data' },
    { command: 'lifeboat prune --max-unused unlimited', explains: 'fast: only delete packs, never repack' },
  ],
  async run(context) {
    const { options, global } = context;
    const pruneOptions = pruneOptionsOf(options, global.compression);
    const { dryRun } = options;
    if (global.noLock && !dryRun)
      throw new LifeboatError('usage', '--no-lock is only possible together with --dry-run for prune');
    const mode = global.noLock ? 'shared' : 'exclusive';
    warmThreads();
    await withRepository(context, mode, (repository, signal) =>
      runPrune(context, repository, { options: pruneOptions, dryRun, signal }),
    );
    return 0;
  },
});
