import { backupOptions } from '../backup-options.ts';
import { backUpPaths } from '../backup-paths.ts';
import { namesSources } from '../backup-source-options.ts';
import { defineCommand } from '../command.ts';
import { locateRepository } from '../configured.ts';
import { openSessionAhead } from '../session.ts';

export const command = defineCommand({
  name: 'backup',
  usage: 'backup [OPTION]... PATH... | --source NAME',
  description:
    'Makes a snapshot of files and folders. Only what the repository does not hold yet is stored; files that did not change since the latest snapshot of the same host and paths are not read again. With --source it backs up what the configuration names so: databases, or files and folders.',
  positionals: { max: Number.POSITIVE_INFINITY },
  exitStatuses: {
    3: 'a snapshot was made, but some items could not be read or changed while they were read',
  },
  examples: [
    { command: 'lifeboat backup /srv/app/uploads --tag nightly', explains: 'back up a folder' },
    {
      command: 'lifeboat backup --stdin-from-command --stdin-filename app.sql -- pg_dump app',
      explains: 'back up what a command prints',
    },
    {
      command: 'lifeboat backup --source app-db --type full',
      explains: 'back up a database of the configuration',
    },
    { command: 'lifeboat backup . --exclude "*.tmp" --dry-run', explains: 'see what a backup would add' },
  ],
  options: backupOptions,
  async run(context) {
    if (namesSources(context)) {
      const { backUpSources } = await import('../backup-source.ts');
      return backUpSources(context);
    }
    return backUpPaths(context, async () => {
      const { location } = await locateRepository(context.global, context);
      return { location, open: () => openSessionAhead(context, context.options.dryRun) };
    });
  },
});
