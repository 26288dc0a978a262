import { defineCommand } from '../command.ts';
import { flag } from '../options.ts';
import { repairIndex } from '../run-repair-index.ts';
import { withRepository } from '../session.ts';
import { withoutCache } from '../storage-access.ts';

export const command = defineCommand({
  name: 'index',
  usage: 'index [OPTION]...',
  description: `
    Builds the index anew: packs that are gone are taken out, packs that no index file names are read and put in,
    index files that are damaged are replaced. Old index files go when the new ones are stored.`,
  options: {
    'read-all-packs': flag({ help: 'trust no index file: read what every pack says of itself' }),
    'dry-run': flag({ short: 'n', help: 'change nothing, only say what would be done' }),
  },
  examples: [
    { command: 'lifeboat repair index', explains: 'after `lifeboat check` said that the index is damaged' },
    { command: 'lifeboat repair index --read-all-packs', explains: 'from the packs alone' },
  ],
  run: (context) =>
    withRepository(
      withoutCache(context),
      context.options.dryRun ? 'shared' : 'exclusive',
      async (repository, signal) => {
        const { readAllPacks, dryRun } = context.options;
        await repairIndex(context, repository, { readAllPacks, dryRun, signal });
        return 0;
      },
    ),
});
