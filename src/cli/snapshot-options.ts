import type { SnapshotFilter } from '../policy/snapshot-selection.ts';
import { filterHosts } from '../policy/snapshot-selection.ts';
import type { TagList } from '../policy/tags.ts';
import { parseTagList } from '../policy/tags.ts';
import type { OptionTable } from './options.ts';
import { texts, values } from './options.ts';

/** Options of commands that work on several snapshots (restic cmd/restic/find.go). */
export const snapshotFilterOptions = {
  host: texts({
    short: 'H',
    placeholder: 'HOST',
    help: 'only snapshots of this host (repeatable; an empty one takes the default away)',
    env: ['LIFEBOAT_HOST', 'RESTIC_HOST'],
  }),
  tag: values({
    placeholder: 'TAG[,TAG]...',
    help: 'only snapshots with all of these tags (repeatable: with one of the lists)',
    parse: parseTagList,
  }),
  path: texts({
    placeholder: 'PATH',
    help: 'only snapshots of this absolute path (repeatable: of all of them)',
  }),
} satisfies OptionTable;

/** The same for commands on one snapshot, where the filter only counts for `latest`. */
export const latestFilterOptions = {
  host: { ...snapshotFilterOptions.host, help: 'with `latest`: only snapshots of this host (repeatable)' },
  tag: {
    ...snapshotFilterOptions.tag,
    help: 'with `latest`: only snapshots with all of these tags (repeatable)',
  },
  path: { ...snapshotFilterOptions.path, help: 'with `latest`: only snapshots of this path (repeatable)' },
} satisfies OptionTable;

/** The filter that those options say. */
export function snapshotFilterOf(options: {
  readonly host: readonly string[];
  readonly tag: readonly TagList[];
  readonly path: readonly string[];
}): SnapshotFilter {
  return { hosts: filterHosts(options.host), tags: options.tag, paths: options.path };
}
