import { basename, resolve } from 'node:path';
import { handOver } from '../../engine/journal/push/client.ts';
import { defineCommand } from '../command.ts';
import { requireConfiguration } from '../configured.ts';
import { flag } from '../options.ts';
import { journaledSource, openRepositories, walSourceOptions } from '../wal-source.ts';

export const command = defineCommand({
  name: 'push',
  usage: 'push [OPTION]... FILE',
  description: `
    Stores a file of the server's log, and ends with status 0 only when it is durable in every repository of the
    source. For archive_command, which runs it in the data directory. Where \`lifeboat wal receive\` runs on this
    machine it takes the file over, and has mostly stored it before PostgreSQL asks.

    The same file again is a success; another content under a name that was stored is an error, and so is the log
    of another cluster.`,
  opensRepository: false,
  positionals: { min: 1, max: 1 },
  options: {
    ...walSourceOptions,
    'new-cluster': flag({
      help: 'the server was replaced or upgraded: begin the log of the new cluster beside that of the old one',
    }),
  },
  examples: [
    {
      command: 'lifeboat wal push %p',
      explains: "as archive_command = 'lifeboat wal push %p' in postgresql.conf",
    },
  ],
  async run(context) {
    const { options, args, global, env, output } = context;
    const path = args[0]!;
    const wanted = {
      source: options.source ?? null,
      configPath: global.config === undefined ? null : resolve(global.config),
    };
    if (!options.newCluster && (await handOver(path, wanted, env))) return 0;

    const configuration = await requireConfiguration(context);
    const found = journaledSource(configuration, options.source);
    const repositories = await openRepositories(context, configuration, found);
    const [{ journalPlaces }, { createArchiveStore }] = await Promise.all([
      import('../../engine/journal/journal-places.ts'),
      import('../../engine/journal/push/store.ts'),
    ]);
    // A thread takes longer to start than one segment takes to store.
    const { places, close } = journalPlaces(repositories, { threads: 0 });
    try {
      const store = createArchiveStore({
        places,
        source: found.source.name,
        acceptNewCluster: options.newCluster,
      });
      const status = await store.store(resolve(path), false);
      if (status === 'known') {
        output.warn(`warning: ${basename(path)} was archived before, with the same content`);
      }
    } finally {
      await close();
    }
    return 0;
  },
});
