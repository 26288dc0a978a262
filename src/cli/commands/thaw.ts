import { thawDaysDefault } from '../../engine/cold/demand-readable.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import { createRestoreSelection } from '../../engine/restore/selection.ts';
import type { Id } from '../../model/id.ts';
import { type ThawSpeed, thawSpeeds } from '../../model/storage-class.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { defineCommand } from '../command.ts';
import { excludeFilters, excludeOptions } from '../exclude-options.ts';
import { plural } from '../format.ts';
import { includeFilters, includeOptions } from '../include-options.ts';
import { parseChoice, parseWholeNumber } from '../option-values.ts';
import { flag, valueOr } from '../options.ts';
import { pollOption, runThaw, showThaw } from '../run-thaw.ts';
import { withRepository } from '../session.ts';
import { latestFilterOptions, snapshotFilterOf } from '../snapshot-options.ts';

export const command = defineCommand({
  name: 'thaw',
  usage: 'thaw [OPTION]... SNAPSHOT[:SUBFOLDER]',
  description: `
    Brings packs back that are archived (GLACIER, DEEP_ARCHIVE) and that a snapshot needs, or only the files selected of
    it. Shows first how many there are, how long each speed takes and what it costs, and asks. Then it waits until all
    of them can be read: for hours. It may be interrupted and run again: the storage goes on meanwhile, and nothing is
    asked for twice. The credentials need s3:RestoreObject.`,
  positionals: { min: 1, max: 1 },
  options: {
    speed: valueOr<ThawSpeed>({
      placeholder: 'SPEED',
      help: 'expedited (minutes, dear), standard (hours) or bulk (half a day and more, cheap); the default is standard',
      fallback: 'standard',
      parse: parseChoice(...thawSpeeds),
    }),
    days: valueOr({
      placeholder: 'N',
      help: `how many days the copies stay (${thawDaysDefault})`,
      fallback: thawDaysDefault,
      parse: parseWholeNumber(1, 365),
    }),
    'no-wait': flag({ help: 'ask, and do not wait' }),
    poll: pollOption,
    ...includeOptions,
    ...excludeOptions,
    ...latestFilterOptions,
    'dry-run': flag({ short: 'n', help: 'only show what would be asked for, and the estimate' }),
    yes: flag({ help: 'do not ask' }),
  },
  examples: [
    { command: 'lifeboat thaw 4f2a81c0 --dry-run', explains: 'how long it would take, and what it costs' },
    { command: 'lifeboat thaw 4f2a81c0 --speed bulk', explains: 'bring all of a snapshot back, cheaply' },
    { command: 'lifeboat thaw latest --include "*.conf" --yes', explains: 'only what these files need' },
  ],
  async run(context) {
    const { options, args, output, env } = context;
    const selection = createRestoreSelection(includeFilters(options, env), excludeFilters(options, env));
    return withRepository(context, 'shared', async (repository, signal) => {
      const named = await loadNamedSnapshot(repository, args[0]!, snapshotFilterOf(options));
      const index = await loadIndex(repository);
      const tree = (): Promise<Id> => selectedTree(openBlobReader(repository, index), named);
      const reading = { tree, selection, signal };
      if (options.dryRun) {
        await showThaw(context, repository, index, reading, options.days);
        return 0;
      }
      const report = await runThaw(context, repository, index, reading, {
        speed: options.speed,
        days: options.days,
        pollMs: options.poll,
        yes: options.yes,
        noWait: options.noWait,
      });
      if (output.json) output.jsonLine({ message_type: 'summary', ...report });
      else if (report.ongoing > 0)
        output.info(
          `${plural(report.ongoing, 'pack')} are on their way; run the same command again to wait for them`,
        );
      else if (report.ready === 0) output.info('nothing that this needs is archived');
      else
        output.info(
          `${plural(report.ready, 'archived pack')} can be read; restore within ${plural(options.days, 'day')}`,
        );
      return 0;
    });
  },
});
