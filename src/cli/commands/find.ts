import { bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { createEntryFinder } from '../../engine/find/find-entries.ts';
import { createObjectFinder, type FoundObject } from '../../engine/find/find-objects.ts';
import { contentsOfPacks } from '../../engine/find/pack-contents.ts';
import { parseTimeLimit } from '../../engine/find/time-limit.ts';
import { loadSnapshots, treeOfSnapshot } from '../../engine/look/find-snapshot.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { compareTimes } from '../../model/time.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { createByteLines } from '../byte-lines.ts';
import { defineCommand } from '../command.ts';
import { findJsonPrinter, findTextPrinter, packLines } from '../find-printers.ts';
import { withIndexedRepository } from '../indexed-session.ts';
import { flag, texts, value } from '../options.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import type { Output } from '../terminal.ts';

export const command = defineCommand({
  name: 'find',
  usage: 'find [OPTION]... PATTERN...',
  description: `
    Searches all snapshots, the newest first, for files and folders whose path matches a pattern: *.yml,
    /etc/**/hosts. With --blob, --tree or --pack the patterns are IDs or beginnings of IDs, and what uses them
    is listed.`,
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    snapshot: texts({ short: 's', placeholder: 'SNAPSHOT', help: 'search only this snapshot (repeatable)' }),
    oldest: value({
      short: 'O',
      placeholder: 'TIME',
      help: 'only what was modified then or later, such as 2026-03-01 or "2026-03-01 14:05"',
      parse: parseTimeLimit,
    }),
    newest: value({
      short: 'N',
      placeholder: 'TIME',
      help: 'only what was modified then or earlier',
      parse: parseTimeLimit,
    }),
    'ignore-case': flag({ short: 'i', help: 'take upper and lower case for the same' }),
    long: flag({ short: 'l', help: 'also show mode, owner, size and time' }),
    'human-readable': flag({ help: 'with --long: sizes in KiB, MiB, …' }),
    reverse: flag({ short: 'R', help: 'the oldest snapshot first' }),
    blob: flag({ help: 'the patterns are IDs of blobs of data' }),
    tree: flag({ help: 'the patterns are IDs of trees' }),
    pack: flag({ help: 'the patterns are IDs of packs: list what uses anything in them' }),
    'show-pack-id': flag({ help: 'with --blob, --tree or --pack: also say which pack holds what was found' }),
  },
  examples: [
    { command: "lifeboat find '*.sqlite'", explains: 'every database file in every snapshot' },
    {
      command: 'lifeboat find -l -i readme --oldest 2026-01-01',
      explains: 'with details, changed this year',
    },
    { command: 'lifeboat find --blob 420f620f', explains: 'the files that contain this blob' },
  ],
  async run(context) {
    const { options, args, output } = context;
    const { blob, tree, pack, oldest, newest } = options;
    if (Number(blob) + Number(tree) + Number(pack) > 1)
      throw new LifeboatError('usage', 'only one of --blob, --tree and --pack can be given');
    if (oldest && newest && oldest.seconds > newest.seconds)
      throw new LifeboatError('usage', '--oldest must be a time before --newest');

    const lines = createByteLines(output);
    const style = { long: options.long, humanReadable: options.humanReadable, quoted: output.isTerminal };
    const printer = output.json ? findJsonPrinter(lines) : findTextPrinter(output, lines, style);
    let allRead = true;
    const problems: { readonly tree: Id; readonly error: LifeboatError }[] = [];
    const unreadable = (id: Id, error: LifeboatError): void => void problems.push({ tree: id, error });

    const load = (
      repository: Repository,
      listed?: FirstLists['snapshots'],
    ): Promise<readonly StoredSnapshot[]> =>
      loadSnapshots(repository, options.snapshot, snapshotFilterOf(options), listed);
    await withIndexedRepository(context, load, async ({ repository, index, reader, loaded }, signal) => {
      const order = options.reverse ? 1 : -1;
      const snapshots = loaded.toSorted((a, b) => order * compareTimes(a.time, b.time));
      const objects = new Map<string, FoundObject>();
      let search: (snapshot: StoredSnapshot, root: Id) => Promise<void>;
      if (blob || tree || pack) {
        const query = pack
          ? await contentsOfPacks(repository, index, args)
          : { blobs: blob ? args : [], trees: tree ? args : [] };
        const finder = createObjectFinder(reader, query, unreadable);
        search = (snapshot, root) =>
          finder.search(
            root,
            (object) => {
              if (options.showPackId) objects.set(`${object.kind}${object.id}`, object);
              return printer.object(snapshot, object);
            },
            signal,
          );
      } else {
        const patterns = args.map(bytesOfText);
        const query = { patterns, ignoreCase: options.ignoreCase, oldest, newest };
        const finder = createEntryFinder(reader, query, unreadable);
        search = (snapshot, root) =>
          finder.search(root, (path, node) => printer.entry(snapshot, path, node), signal);
      }
      for (const snapshot of snapshots) {
        await search(snapshot, treeOfSnapshot(snapshot));
        if (problems.length > 0) allRead = false;
        for (const problem of problems.splice(0)) tellUnreadable(output, snapshot, problem);
      }
      await printer.end();
      showPacks(output, index, [...objects.values()]);
    });
    return allRead ? 0 : 1;
  },
});

function tellUnreadable(
  output: Output,
  snapshot: StoredSnapshot,
  { tree, error }: { readonly tree: Id; readonly error: LifeboatError },
): void {
  output.warn(`cannot search tree ${tree} of snapshot ${snapshot.id}: ${error.message}`);
}

function showPacks(output: Output, index: BlobIndex, objects: readonly FoundObject[]): void {
  for (const { kind, id } of objects) {
    const place = index.find(kind === 'blob' ? 'data' : 'tree', id);
    if (place === null) continue;
    // With --json, stdout stays one JSON document.
    for (const line of packLines(kind, id, place.packId)) {
      if (output.json) output.warn(line);
      else output.line(line);
    }
  }
}
