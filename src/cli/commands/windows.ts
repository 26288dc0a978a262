import { LifeboatError } from '../../core/errors.ts';
import { readHoldings } from '../../engine/recover/cluster-log.ts';
import { createLogReader } from '../../engine/recover/log-reader.ts';
import { timedWindows } from '../../engine/recover/windows.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { requireConfiguration, sourceNamed } from '../configured.ts';
import type { OptionTable } from '../options.ts';
import { withRecoveryPlaces } from '../recovery-places.ts';
import { openRepositoriesOf } from '../restore-source.ts';
import { printWindows, type SourceWindows } from '../windows-printer.ts';

const options = {} satisfies OptionTable;

async function windowsOf(context: CommandContext<typeof options>, name: string): Promise<SourceWindows> {
  const configuration = await requireConfiguration(context);
  const source = sourceNamed(configuration, name);
  const repositories = await openRepositoriesOf(context, { configuration, source });
  return withRecoveryPlaces(context, repositories, async (places) => {
    const { clusters, problems } = await readHoldings(places, name);
    const timed = [];
    for (const log of clusters) {
      timed.push({
        system: log.view.system,
        backups: log.view.backups.length,
        timelines: await timedWindows(log.view, createLogReader(log)),
      });
    }
    return {
      source: name,
      repositories: repositories.map((each) => each.name),
      clusters: timed,
      problems: problems.map(({ message }) => message),
    };
  });
}

async function run(context: CommandContext<typeof options>): Promise<number> {
  const { args, output } = context;
  const configuration = await requireConfiguration(context);
  const names = Object.values(configuration.sources)
    .filter((source) => source.type === 'postgres' && source.method === 'physical')
    .map(({ name }) => name);
  const [given] = args;
  if (given !== undefined && !names.includes(given)) {
    const { name } = sourceNamed(configuration, given);
    throw new LifeboatError('usage', `${name} is not backed up physically, so it has no log to recover by`, {
      hint: `its points are its snapshots: \`lifeboat snapshots --tag lifeboat:source=${name}\``,
    });
  }
  const wanted = given === undefined ? names : [given];
  if (wanted.length === 0)
    throw new LifeboatError('usage', `${configuration.path} has no source with \`method: physical\``, {
      hint: 'only such sources can be recovered to points between their backups',
    });
  const found: SourceWindows[] = [];
  for (const name of wanted) found.push(await windowsOf(context, name));
  if (output.json) output.jsonLine(found);
  else for (const each of found) printWindows(output, each);
  return 0;
}

export const command = defineCommand({
  name: 'windows',
  usage: 'windows [OPTION]... [SOURCE]',
  description: `
    Shows to which points in time each physically backed up database can be recovered: intervals of time and of
    the log on each timeline, computed from the repositories alone. Every gap is named, with the way to close it.`,
  positionals: { max: 1 },
  examples: [{ command: 'lifeboat windows app-db', explains: 'the points of one database' }],
  options,
  run,
});
