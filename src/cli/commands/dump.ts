import { type FileHandle, open } from 'node:fs/promises';
import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import { demandReadable } from '../../engine/cold/demand-readable.ts';
import type { ByteSink } from '../../engine/dump/byte-sink.ts';
import { dumpFile, dumpFolder, findDumpTarget } from '../../engine/dump/dump-path.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import type { RestoreSelection } from '../../engine/restore/request.ts';
import { cleanPath } from '../../policy/clean-path.ts';
import type { SelectedSnapshot } from '../../policy/snapshot-selection.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import type { Repository } from '../../repository/repository.ts';
import { defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { withIndexedRepository } from '../indexed-session.ts';
import { parseChoice } from '../option-values.ts';
import { text, valueOr } from '../options.ts';
import { commandToThaw } from '../run-thaw.ts';
import { latestFilterOptions, snapshotFilterOf } from '../snapshot-options.ts';

/** Loaded when it is needed: a single file needs no archive. */
const writers = {
  tar: async () => (await import('../../engine/dump/tar-writer.ts')).createTarWriter,
  zip: async () => (await import('../../engine/dump/zip-writer.ts')).createZipWriter,
} as const;

export const command = defineCommand({
  name: 'dump',
  usage: 'dump [OPTION]... SNAPSHOT[:SUBFOLDER] PATH',
  description: `
    Writes a file of a snapshot to standard output as it is, or a folder as an archive. Paths in the archive are
    those in the snapshot; with SNAPSHOT:SUBFOLDER they begin below that folder. The path / means all of it.`,
  positionals: { min: 2, max: 2 },
  options: {
    ...latestFilterOptions,
    archive: valueOr<keyof typeof writers>({
      short: 'a',
      placeholder: 'FORMAT',
      help: 'format for folders, tar or zip',
      fallback: 'tar',
      parse: parseChoice('tar', 'zip'),
    }),
    target: text({ short: 't', placeholder: 'FILE', help: 'write to this file instead' }),
  },
  examples: [
    { command: 'lifeboat dump latest /etc/fstab', explains: 'a file, as it was' },
    { command: 'lifeboat dump latest:/srv/app / | tar xf -', explains: 'a folder, unpacked here' },
    { command: 'lifeboat dump -a zip -t etc.zip latest /etc', explains: 'a folder as a zip file' },
  ],
  async run(context) {
    const { options, args, output } = context;
    const [name = '', path = ''] = args;
    const load = (repository: Repository, listed?: FirstLists['snapshots']): Promise<SelectedSnapshot> =>
      loadNamedSnapshot(repository, name, snapshotFilterOf(options), listed);
    await withIndexedRepository(
      context,
      load,
      async ({ repository, index, reader, loaded: selected }, signal) => {
        const wanted = bytesOfText(cleanPath(path));
        await demandReadable(repository, index, {
          tree: () => selectedTree(reader, selected),
          selection: onlyAt(wanted),
          signal,
          commandToThaw: commandToThaw(context, name),
        });
        const root = await selectedTree(reader, selected);
        const target = await findDumpTarget(reader, root, wanted);
        if (target.kind === 'folder' && options.target === undefined && output.isTerminal) {
          throw new LifeboatError('usage', 'an archive would garble the terminal', {
            hint: 'redirect the output, or give --target FILE',
          });
        }
        await withSink(options.target, output, async (sink) => {
          if (target.kind === 'file') return dumpFile(reader, target.node, sink);
          const createWriter = await writers[options.archive]();
          const leftOut = await dumpFolder(reader, target, createWriter(sink), signal);
          if (leftOut > 0 && output.verbosity > 0) {
            output.warn(
              `${plural(leftOut, 'special file')} (devices, pipes, sockets) left out of the archive`,
            );
          }
        });
      },
    );
    return 0;
  },
});

/** Selects a file, or a folder with all below it. */
function onlyAt(wanted: ByteString): RestoreSelection {
  const path = wanted === '.' ? '' : wanted.replace(/^(?:\.?\/)+|\/+$/g, '');
  return (location) => {
    const here = location.slice(1);
    const selected = path === '' || here === path || here.startsWith(`${path}/`);
    return { selected, childMayBeSelected: selected || path.startsWith(`${here}/`) };
  };
}

/** Runs work with standard output or with a new file as sink. */
async function withSink(
  file: string | undefined,
  output: ByteSink,
  work: (sink: ByteSink) => Promise<void>,
): Promise<void> {
  if (file === undefined) return work({ write: (bytes) => output.write(bytes) });
  const failure = (error: unknown): LifeboatError =>
    new LifeboatError('target-failed', `cannot write ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'check space and permissions there, then run the command again',
    });
  let handle: FileHandle;
  try {
    handle = await open(file, 'w');
  } catch (error) {
    throw failure(error);
  }
  try {
    await work({
      async write(bytes) {
        try {
          await handle.writeFile(bytes);
        } catch (error) {
          throw failure(error);
        }
      },
    });
  } finally {
    await handle.close();
  }
}
