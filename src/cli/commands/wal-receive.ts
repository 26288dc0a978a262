import { runWalService, type WalStatus } from '../../app/wal-service.ts';
import { messageOf } from '../../core/errors.ts';
import { defineCommand } from '../command.ts';
import { requireConfiguration, secretSurroundings } from '../configured.ts';
import { flag } from '../options.ts';
import { eventJson, printWalEvent, walStatusLine } from '../wal-printer.ts';
import { journaledSource, openRepositories, walSourceOptions } from '../wal-source.ts';

const statusEveryMs = 1000;

export const command = defineCommand({
  name: 'receive',
  usage: 'receive [OPTION]...',
  description: `
    Receives the log of a source from its server as it is written, and stores it in every repository of the source;
    the server keeps what is not durable there yet. It reconnects by itself, follows a failover, and tells what
    needs looking after. Runs until it gets SIGTERM or Ctrl-C; then it stores what it holds, and ends.

    Files that PostgreSQL hands over with \`lifeboat wal push\` on this machine are taken by this process, too. With
    \`journal: { way: push }\` that is all it does.`,
  opensRepository: false,
  runsUntilStopped: true,
  options: {
    ...walSourceOptions,
    'new-cluster': flag({
      help: 'the server was replaced or upgraded: begin the log of the new cluster beside that of the old one',
    }),
  },
  examples: [
    { command: 'lifeboat wal receive', explains: 'the only source with a journal' },
    { command: 'lifeboat wal receive --source app-db --json', explains: 'for a log of events' },
  ],
  async run(context) {
    const { options, output } = context;
    const configuration = await requireConfiguration(context);
    const found = journaledSource(configuration, options.source);
    let status: (() => WalStatus) | null = null;
    const timer = setInterval(() => {
      if (status && output.canUpdateStatus && !output.json) output.status([walStatusLine(status())]);
    }, statusEveryMs);
    try {
      await runWalService({
        source: found.source,
        journal: found.journal,
        configPath: configuration.path,
        repositories: await openRepositories(context, configuration, found),
        acceptNewCluster: options.newCluster,
        secrets: secretSurroundings(context),
        sink: (event) => printWalEvent(output, event),
        journalSink(event) {
          if (output.json) output.jsonLine(eventJson(event));
          else if (event.kind === 'place-failing')
            output.warn(`${event.place} cannot be written to: ${messageOf(event.error)}; trying again`);
          else if (event.kind === 'place-recovered') output.info(`${event.place} can be written to again`);
          else if (event.kind === 'piece-saved')
            output.veryVerbose(`${event.place}: ${event.piece.unit} up to ${event.piece.to}`);
        },
        onStart(ask) {
          status = ask;
        },
      });
    } finally {
      clearInterval(timer);
      if (output.canUpdateStatus) output.status([]);
    }
    return 0;
  },
});
