import { LifeboatError } from '../../core/errors.ts';
import { compactJournal, planJournalCompaction } from '../../engine/journal/compact-journal.ts';
import { journalPlaces } from '../../engine/journal/journal-places.ts';
import { defineCommand } from '../command.ts';
import { requireConfiguration } from '../configured.ts';
import { plural } from '../format.ts';
import { flag } from '../options.ts';
import { journaledSources, openRepositories, walSourceOptions } from '../wal-source.ts';

export const command = defineCommand({
  name: 'compact',
  usage: 'compact [OPTION]...',
  description: `
    Makes one object of the slices of each finished segment. \`wal receive\` does that by itself while it runs. The
    slices are removed only after the whole has been stored and read back.`,
  opensRepository: false,
  options: {
    ...walSourceOptions,
    'dry-run': flag({ short: 'n', help: 'only show what would be done' }),
  },
  examples: [{ command: 'lifeboat wal compact', explains: 'all sources with a journal' }],
  async run(context) {
    const { options, output, signal } = context;
    const configuration = await requireConfiguration(context);
    let problems = 0;
    for (const found of journaledSources(configuration, options.source)) {
      const { places, close } = journalPlaces(await openRepositories(context, configuration, found));
      const source = found.source.name;
      try {
        for (const place of places) {
          const plan = await planJournalCompaction(place, source);
          const units = plan.streams.reduce((sum, stream) => sum + stream.units.length, 0);
          if (options.dryRun) {
            if (output.json) output.jsonLine({ message_type: 'plan', source, ...plan });
            else output.info(`${source} in ${place.name}: ${plural(units, 'segment')} to compact`);
            continue;
          }
          const report = await compactJournal(place, plan, signal, (unit) => output.verbose(unit));
          problems += report.left.length;
          for (const { unit, problems: why } of report.left) {
            output.warn(`${unit} was left as it is: ${why.map(({ message }) => message).join('; ')}`);
          }
          if (output.json) output.jsonLine({ message_type: 'summary', source, place: place.name, ...report });
          else {
            output.info(
              `${source} in ${place.name}: ${plural(report.compacted, 'segment')} compacted, ${plural(report.objectsBefore, 'object')} became ${report.objectsAfter}`,
            );
          }
        }
      } finally {
        await close();
      }
    }
    if (problems === 0) return 0;
    throw new LifeboatError('journal-damaged', `${plural(problems, 'segment')} could not be compacted`);
  },
});
