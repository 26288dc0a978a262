import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import { listFolders } from '../../engine/look/list-folders.ts';
import { type SortOrder, sortOrders } from '../../engine/look/sort-entries.ts';
import { cleanPath } from '../../policy/clean-path.ts';
import type { SelectedSnapshot } from '../../policy/snapshot-selection.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import type { Repository } from '../../repository/repository.ts';
import { createByteLines } from '../byte-lines.ts';
import { defineCommand } from '../command.ts';
import { withIndexedRepository } from '../indexed-session.ts';
import { jsonPrinter, type ListPrinter, ncduPrinter, sortedPrinter, textPrinter } from '../list-printers.ts';
import { parseChoice } from '../option-values.ts';
import { flag, valueOr } from '../options.ts';
import { latestFilterOptions, snapshotFilterOf } from '../snapshot-options.ts';

export const command = defineCommand({
  name: 'ls',
  usage: 'ls [OPTION]... SNAPSHOT[:SUBFOLDER] [FOLDER]...',
  description: `
    Lists what a snapshot holds. With folders (absolute paths in the snapshot), only what lies directly in them;
    with --recursive also what is below. SNAPSHOT is an ID, the beginning of one, or latest.`,
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    ...latestFilterOptions,
    long: flag({ short: 'l', help: 'also show mode, owner, size and time' }),
    recursive: flag({ help: 'also list what is below the folders given' }),
    'human-readable': flag({ help: 'with --long: sizes in KiB, MiB, …' }),
    ncdu: flag({ help: 'print an export for `ncdu -f -`' }),
    sort: valueOr<SortOrder>({
      short: 's',
      placeholder: 'ORDER',
      help: `sort by ${sortOrders.join(', ')}`,
      fallback: 'name',
      parse: parseChoice(...sortOrders),
    }),
    reverse: flag({ help: 'the other way round' }),
  },
  examples: [
    { command: 'lifeboat ls latest', explains: 'everything in the newest snapshot' },
    { command: 'lifeboat ls -l latest /etc/ssh', explains: 'one folder, with sizes and times' },
    { command: 'lifeboat ls --ncdu latest | ncdu -f -', explains: 'what takes the space, interactively' },
  ],
  async run(context) {
    const { options, args, output } = context;
    const [name = '', ...given] = args;
    if (options.ncdu && output.json) throw new LifeboatError('usage', '--ncdu and --json exclude each other');
    const sorted = options.sort !== 'name' || options.reverse;
    if (options.ncdu && sorted) {
      throw new LifeboatError('usage', '--ncdu cannot be sorted; leave out --sort and --reverse');
    }
    const folders = given.map(absoluteFolder);
    const lines = createByteLines(output);
    const { long, humanReadable } = options;
    const style = { long, humanReadable, quoted: output.isTerminal };
    let printer: ListPrinter = output.json
      ? jsonPrinter(lines)
      : options.ncdu
        ? ncduPrinter(lines)
        : textPrinter(output, lines, folders, style);
    if (sorted) printer = sortedPrinter(printer, options.sort, options.reverse);

    const load = (repository: Repository, listed?: FirstLists['snapshots']): Promise<SelectedSnapshot> =>
      loadNamedSnapshot(repository, name, snapshotFilterOf(options), listed);
    await withIndexedRepository(context, load, async ({ reader, loaded: selected }, signal) => {
      const tree = await selectedTree(reader, selected);
      printer.begin({ ...selected.snapshot, tree });
      await listFolders(reader, tree, { folders, recursive: options.recursive }, printer, signal);
      await printer.end();
    });
    return 0;
  },
});

function absoluteFolder(given: string): ByteString {
  if (!given.startsWith('/'))
    throw new LifeboatError('usage', `${JSON.stringify(given)} is not absolute; folders begin with a slash`);
  return bytesOfText(cleanPath(given));
}
