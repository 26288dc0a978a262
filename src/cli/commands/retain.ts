import { withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { flag } from '../options.ts';
import { runRetain } from '../run-retain.ts';
import { withRepository } from '../session.ts';
import { withoutCache } from '../storage-access.ts';

export const command = defineCommand({
  name: 'retain',
  usage: 'retain [OPTION]... [REPOSITORY]',
  description: `
    Extends the protection of what snapshots need, on storages with Object Lock. What is stored is protected for as
    long as \`immutability\` of the repository says; what is still needed then would lose it. \`backup\` and \`prune\` do
    this by themselves when it is due. This command also finds and protects what was stored without protection, as
    by restic, for which it asks about each object once.

    What no snapshot needs any more is not extended, so that \`prune\` can remove it in time.`,
  positionals: { max: 1 },
  exitStatuses: { 3: 'the protection of some objects could not be extended' },
  options: {
    'dry-run': flag({ short: 'n', help: 'only print what would be extended' }),
  },
  examples: [
    {
      command: 'lifeboat retain offsite',
      explains: 'extend what has less than three quarters of its time left',
    },
    { command: 'lifeboat retain offsite --dry-run', explains: 'see what would be extended' },
  ],
  documentation: 'storage.md',
  async run(given) {
    const context = withRepositoryArgument(given, given.args[0]);
    const { dryRun } = context.options;
    await withRepository(withoutCache(context), 'shared', (repository, signal) =>
      runRetain(context, repository, { dryRun, askAll: true, signal }),
    );
    return 0;
  },
});
