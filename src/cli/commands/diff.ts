import type { ByteString } from '../../core/bytestring.ts';
import {
  type CompareSink,
  compareTrees,
  type Difference,
  type SideTotals,
} from '../../engine/diff/compare-trees.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import { shortId } from '../../model/id.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import type { Repository } from '../../repository/repository.ts';
import { createByteLines } from '../byte-lines.ts';
import { defineCommand } from '../command.ts';
import { formatBytes } from '../format.ts';
import { withIndexedRepository } from '../indexed-session.ts';
import { jsonOfBytes, shownName } from '../node-output.ts';
import { flag } from '../options.ts';

export const command = defineCommand({
  name: 'diff',
  usage: 'diff [OPTION]... SNAPSHOT[:SUBFOLDER] SNAPSHOT[:SUBFOLDER]',
  description: `
    Shows what changed from the first snapshot to the second. Each line begins with what happened: + added,
    - removed, M content changed, T type changed, U metadata changed (with --metadata), and M? content changed
    although nothing else did, which hints at a failing disk. At the end it tells how much was added and removed.`,
  positionals: { min: 2, max: 2 },
  options: { metadata: flag({ help: 'also show changes in owner, mode and times' }) },
  examples: [
    { command: 'lifeboat diff latest~1 latest', explains: 'what the last backup found changed' },
    { command: 'lifeboat diff 5845b002:/etc latest:/etc', explains: 'only in one folder' },
  ],
  async run(context) {
    const { options, args, output } = context;
    const [first = '', second = ''] = args;
    const lines = createByteLines(output);
    const quoted = output.isTerminal;
    let complete = true;
    const silent = output.verbosity === 0;
    const print = (path: ByteString, modifier: string): Promise<void> | undefined =>
      output.json
        ? lines.line(
            `{"message_type":"change","path":${jsonOfBytes(path)},"modifier":"${modifier}"}` as ByteString,
          )
        : lines.line(`${modifier.padEnd(5)}${shownName(path, quoted)}` as ByteString);
    const sink: CompareSink = {
      change: silent ? () => undefined : print,
      problem(error) {
        complete = false;
        output.warn(error.message);
      },
    };
    const load = async (repository: Repository, listed?: FirstLists['snapshots']) => ({
      before: await loadNamedSnapshot(repository, first, undefined, listed),
      after: await loadNamedSnapshot(repository, second, undefined, listed),
    });
    await withIndexedRepository(
      context,
      load,
      async ({ index, reader, loaded: { before, after } }, signal) => {
        output.info(`comparing snapshot ${shortId(before.snapshot.id)} to ${shortId(after.snapshot.id)}:\n`);
        const trees = [await selectedTree(reader, before), await selectedTree(reader, after)] as const;
        const settings = { metadata: options.metadata, signal };
        const difference = await compareTrees(reader, index, ...trees, sink, settings);
        await lines.flush();
        if (output.json) output.jsonLine(statistics(difference, first, second));
        else for (const line of summary(difference)) output.line(line);
      },
    );
    return complete ? 0 : 1;
  },
});

function summary({ changedFiles, added, removed }: Difference): string[] {
  const number = (value: number): string => String(value).padStart(5);
  return [
    '',
    `Files:       ${number(added.files)} new, ${number(removed.files)} removed, ${number(changedFiles)} changed`,
    `Dirs:        ${number(added.dirs)} new, ${number(removed.dirs)} removed`,
    `Others:      ${number(added.others)} new, ${number(removed.others)} removed`,
    `Data Blobs:  ${number(added.dataBlobs)} new, ${number(removed.dataBlobs)} removed`,
    `Tree Blobs:  ${number(added.treeBlobs)} new, ${number(removed.treeBlobs)} removed`,
    `  Added:   ${formatBytes(added.bytes).padEnd(5)}`,
    `  Removed: ${formatBytes(removed.bytes).padEnd(5)}`,
  ];
}

function statistics(difference: Difference, source: string, target: string): Record<string, unknown> {
  const side = ({ files, dirs, others, dataBlobs, treeBlobs, bytes }: SideTotals) => ({
    files,
    dirs,
    others,
    data_blobs: dataBlobs,
    tree_blobs: treeBlobs,
    bytes,
  });
  return {
    message_type: 'statistics',
    source_snapshot: source,
    target_snapshot: target,
    changed_files: difference.changedFiles,
    added: side(difference.added),
    removed: side(difference.removed),
  };
}
