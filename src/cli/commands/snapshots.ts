import { loadReadableSnapshots } from '../../engine/look/find-snapshot.ts';
import { groupListing } from '../../engine/look/group-listing.ts';
import { parseGroupBy } from '../../policy/grouping.ts';
import { defineCommand } from '../command.ts';
import { withEarlyRepository } from '../indexed-session.ts';
import { parseWholeNumber } from '../option-values.ts';
import { flag, valueOr } from '../options.ts';
import { snapshotGroupsJson, snapshotsJson } from '../snapshot-json.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { formatSnapshotTable, groupHeading } from '../snapshot-table.ts';

export const command = defineCommand({
  name: 'snapshots',
  usage: 'snapshots [OPTION]... [SNAPSHOT]...',
  description: `
    Lists the snapshots in the repository, the newest last: when each was made, on which host, of which paths,
    and how much it holds.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    compact: flag({ short: 'c', help: 'one line for each snapshot, without paths' }),
    last: flag({ help: 'the same as --latest 1', hidden: true }),
    latest: valueOr({
      placeholder: 'N',
      help: 'only the N newest of each group; of each host and paths without --group-by',
      fallback: 0,
      parse: parseWholeNumber(0, Number.MAX_SAFE_INTEGER),
    }),
    'group-by': valueOr({
      short: 'g',
      placeholder: 'KEYS',
      help: 'one table for each host, paths and/or tags, separated by commas',
      fallback: { host: false, paths: false, tags: false },
      parse: parseGroupBy,
    }),
  },
  examples: [
    { command: 'lifeboat snapshots', explains: 'all of them' },
    {
      command: 'lifeboat snapshots --latest 3 --group-by host',
      explains: 'the three newest of each host',
    },
    { command: 'lifeboat snapshots --tag nightly --path /etc', explains: 'with this tag, of this path' },
  ],
  async run(context) {
    const { options, args, output, env } = context;
    const filter = snapshotFilterOf(options);
    const { snapshots, broken } = await withEarlyRepository(context, (repository, { lists }) =>
      loadReadableSnapshots(repository, args, filter, lists?.snapshots),
    );
    for (const { message } of broken) output.warn(`could not load a snapshot: ${message}`);
    const status = broken.length > 0 ? 1 : 0;
    const latest = options.last && options.latest === 0 ? 1 : options.latest;
    const { grouped, groups } = groupListing(snapshots, options.groupBy, latest);
    if (output.json) {
      output.line(grouped ? snapshotGroupsJson(groups) : snapshotsJson(groups[0]?.snapshots ?? []));
      return status;
    }
    if (groups.length === 0) output.info('no snapshots found');
    for (const { key, snapshots: listed } of groups) {
      const heading = grouped ? groupHeading(key) : null;
      if (heading !== null) output.line(heading);
      for (const line of formatSnapshotTable(listed, env, { compact: options.compact })) output.line(line);
    }
    return status;
  },
});
