import { loadSnapshots, treeOfSnapshot } from '../../engine/look/find-snapshot.ts';
import {
  blobsPerFileCounter,
  type FileCounter,
  restoreSizeCounter,
  uniqueFilesCounter,
} from '../../engine/stats/count-files.ts';
import { compressionFigures, measureRawData } from '../../engine/stats/raw-data.ts';
import { sizeHistogram } from '../../engine/stats/size-histogram.ts';
import { collectUsedBlobs } from '../../engine/walk/used-blobs.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { defineCommand } from '../command.ts';
import { withIndexedRepository } from '../indexed-session.ts';
import { parseChoice } from '../option-values.ts';
import { valueOr } from '../options.ts';
import { showCounter } from '../progress.ts';
import { withRepository } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { histogramLines, type Statistics, statisticsJson, statisticsLines } from '../statistics.ts';

const modes = ['restore-size', 'files-by-contents', 'blobs-per-file', 'raw-data', 'debug'] as const;
type Mode = (typeof modes)[number];

export const command = defineCommand({
  name: 'stats',
  usage: 'stats [OPTION]... [SNAPSHOT]...',
  description: `
    Counts what snapshots hold, all of them unless some are named. --mode says what counts: restore-size, the
    files as a restore writes them; files-by-contents, files with the same content once; blobs-per-file, the
    blobs of each path once; raw-data, what is stored in the repository, and how well it is compressed; debug,
    the sizes of the repository's own files.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    mode: valueOr<Mode>({
      placeholder: 'MODE',
      help: `what counts: ${modes.join(', ')}`,
      fallback: 'restore-size',
      parse: parseChoice(...modes),
    }),
  },
  examples: [
    { command: 'lifeboat stats latest', explains: 'how much a restore of the newest snapshot writes' },
    { command: 'lifeboat stats --mode raw-data', explains: 'how much all snapshots take in the repository' },
  ],
  async run(context) {
    const { options, args, output, env } = context;
    const { mode } = options;
    if (mode === 'debug') {
      for (const line of await withRepository(context, 'shared', debugLines)) output.warn(line);
      return 0;
    }
    const load = (
      repository: Repository,
      listed?: FirstLists['snapshots'],
    ): Promise<readonly StoredSnapshot[]> =>
      loadSnapshots(repository, args, snapshotFilterOf(options), listed);
    await withIndexedRepository(
      context,
      load,
      async ({ repository, index, reader, loaded: snapshots }, signal) => {
        if (!output.json) output.line('scanning...');
        const counter = createCounter(mode, repository, reader, index);
        const progress = output.canUpdateStatus
          ? showCounter(output, env, 'snapshots', snapshots.length)
          : null;
        try {
          for (const snapshot of snapshots) {
            await counter.add(treeOfSnapshot(snapshot), signal);
            progress?.add(1);
          }
        } finally {
          progress?.stop();
        }
        const statistics = { snapshots: snapshots.length, ...counter.finish() };
        if (output.json) output.line(statisticsJson(statistics));
        else for (const line of statisticsLines(mode, statistics)) output.line(line);
      },
    );
    return 0;
  },
});

interface Counter {
  add(tree: Id, signal: AbortSignal): Promise<void>;
  finish(): Omit<Statistics, 'snapshots'>;
}

function createCounter(
  mode: Exclude<Mode, 'debug'>,
  repository: Repository,
  reader: BlobReader,
  index: BlobIndex,
): Counter {
  if (mode === 'raw-data') {
    const used = collectUsedBlobs(reader, index);
    return {
      add: used.add,
      finish() {
        const data = measureRawData(index, used.entries(), repository.config.version);
        return { files: 0, blobs: data.blobs, bytes: data.bytes, ...uncompressed(data) };
      },
    };
  }
  const counter: FileCounter = {
    'restore-size': () => restoreSizeCounter(reader),
    'files-by-contents': () => uniqueFilesCounter(reader),
    'blobs-per-file': () => blobsPerFileCounter(reader, index),
  }[mode]();
  return { add: counter.add, finish: () => counter.counts };
}

function uncompressed(data: ReturnType<typeof measureRawData>) {
  return { uncompressedBytes: data.uncompressedBytes, compression: compressionFigures(data) };
}

const packBytesLimit = 2 * 128 * 1024 * 1024;
const blobBytesLimit = 2 * 8 * 1024 * 1024;
const fileKinds = {
  key: 'keys',
  lock: 'locks',
  index: 'index',
  snapshot: 'snapshots',
  data: 'data',
} as const;

async function debugLines(repository: Repository): Promise<string[]> {
  const lines = ['Collecting size statistics', ''];
  for (const [name, kind] of Object.entries(fileKinds)) {
    const files = await listFiles(repository.storage, kind);
    const sizes = sizeHistogram(
      files.map(({ size }) => size),
      packBytesLimit,
    );
    lines.push(`File Type: ${name}`, ...histogramLines(sizes));
  }
  const { table } = await loadIndex(repository);
  for (const type of ['data', 'tree'] as const) {
    const lengths: number[] = [];
    for (let entry = 0; entry < table.count(); entry++)
      if (table.typeOf(entry) === type) lengths.push(table.locationOf(entry).length);
    lines.push(`Blob Type: ${type}`, ...histogramLines(sizeHistogram(lengths, blobBytesLimit)), '');
  }
  return lines;
}
