import { LifeboatError } from '../../core/errors.ts';
import { type ExportSettings, executeExport } from '../../engine/export/execute.ts';
import { openFileVolumes } from '../../engine/export/file-volumes.ts';
import type { ExportPlan } from '../../engine/export/plan.ts';
import { prepareExport } from '../../engine/export/prepare.ts';
import { streamOutput } from '../../engine/export/stream-output.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { shortId } from '../../model/id.ts';
import { parseSize } from '../../policy/size.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { showCheckProgress } from '../check-progress.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { type ExportPlace, printExportPlan, printExportReport } from '../export-printer.ts';
import { parseWholeNumber } from '../option-values.ts';
import { flag, text, value, valueOr } from '../options.ts';
import { openSession, withSessionLock } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { Output } from '../terminal.ts';
import { lifeboatVersion } from '../version.ts';

const blockBytes = 512;
const stdoutName = 'standard output';

/** Not worth a volume: head, end and one pack need more. */
const volumeBytesMin = 64 * 1024;

function parseVolumeSize(given: string): number {
  const bytes = parseSize(given);
  if (bytes < volumeBytesMin) throw new Error('expected a size of at least 64k, such as 4000M or 100G');
  return bytes;
}

export const command = defineCommand({
  name: 'export',
  usage: 'export [OPTION]... --output FILE [SNAPSHOT]...',
  description: `
    Writes snapshots with all that they need as one stream, for a tape, a USB disk or a courier: those named, or all that the
    filter lets through. The stream is a tar archive; unpacked, it is a repository that Lifeboat and restic open with the
    same passwords. \`lifeboat import\` verifies it and brings it into a repository.

    Data of other snapshots stays at home: packs that hold some are written anew without it.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    output: text({
      placeholder: 'FILE',
      help: 'write to this new file or this tape drive; - for standard output; %03d stands for the number of the volume',
    }),
    'volume-size': value({
      placeholder: 'SIZE',
      help: 'begin a new file before one grows beyond this size, such as 4000M or 100G',
      parse: parseVolumeSize,
    }),
    blocking: valueOr({
      placeholder: 'N',
      help: 'write records of N × 512 bytes, as tar does; for tapes such as LTO 512 or more',
      fallback: 20,
      parse: parseWholeNumber(1, 2048),
    }),
    'with-journals': flag({
      help: 'take along the log of the databases, as far as these snapshots can use it',
    }),
    'whole-packs': flag({
      help: 'take packs as they are, with what other snapshots have in them: faster, and larger',
    }),
    'dry-run': flag({ short: 'n', help: 'only print what would be done' }),
  },
  examples: [
    { command: 'lifeboat export --output /media/usb/backup.tar latest', explains: 'the latest snapshot' },
    {
      command: 'lifeboat export --output /media/usb/backup-%03d.tar --volume-size 4000M',
      explains: 'all of them, in files that fit on FAT32',
    },
    { command: 'lifeboat export --output /dev/nst0 --blocking 1024', explains: 'to a tape' },
  ],
  documentation: 'docs/export.md',
  async run(context) {
    const { options, args, global } = context;
    const { output: path, volumeSize: volumeBytes = null, dryRun } = options;
    if (path === undefined)
      throw new LifeboatError('usage', 'where to write the export was not said', {
        hint: 'give --output FILE, or --output - for standard output',
      });
    const isStream = path === '-';
    if (isStream && volumeBytes !== null)
      throw new LifeboatError('usage', '--volume-size makes several files, and standard output is one', {
        hint: 'give --output FILE, or pipe the stream to `split`',
      });
    if (isStream && context.output.isTerminal && !dryRun)
      throw new LifeboatError('usage', 'an archive would garble the terminal', {
        hint: 'redirect the output, or give --output FILE',
      });
    const output = isStream ? besideStream(context) : context.output;
    const place: ExportPlace = { name: isStream ? stdoutName : path, volumeBytes };
    warmThreads();
    const repository = await openSession(context, dryRun);
    return withSessionLock(context, repository, 'shared', async (signal) => {
      const snapshots = await loadSnapshots(repository, args, snapshotFilterOf(options));
      if (snapshots.length === 0)
        throw new LifeboatError('snapshot-missing', 'there is no snapshot to export');
      const { index, plan } = await prepareExport(repository, snapshots, {
        wholePacks: options.wholePacks,
        withJournals: options.withJournals,
        packBytes: global.packBytes,
        signal,
      });
      printExportPlan(output, plan, place);
      if (options.withJournals && plan.journal.length === 0)
        output.warn('warning: none of these snapshots has a journal that could go along');
      if (dryRun) return 0;
      const settings = { recordBytes: options.blocking * blockBytes, volumeBytes };
      const target = isStream
        ? streamOutput(stdoutName, settings.recordBytes, (bytes) => context.output.write(bytes))
        : await openFileVolumes(path, {
            recordBytes: settings.recordBytes,
            several: volumeBytes !== null,
            volumesExpected: volumeBytes === null ? 1 : Math.ceil(plan.bytes / volumeBytes) + 1,
            bytesExpected: plan.bytes,
          });
      const report = await showing(context, output, plan, (events) =>
        executeExport(repository, index, plan, {
          ...settings,
          output: target,
          program: `lifeboat ${lifeboatVersion()}`,
          packBytes: global.packBytes,
          compression: global.compression as Compression,
          signal,
          events,
        }),
      );
      printExportReport(output, report, isStream, context.global.repository);
      return 0;
    });
  },
});

/** What is said goes to standard error where the stream has standard output. */
function besideStream({ stderr, output, env }: CommandContext): Output {
  return new Output({ stdout: stderr, stderr, json: output.json, verbosity: output.verbosity, env });
}

/** Shows how far it is while `work` runs. */
async function showing<T>(
  { env }: Pick<CommandContext, 'env'>,
  output: Output,
  plan: ExportPlan,
  work: (events: NonNullable<ExportSettings['events']>) => Promise<T>,
): Promise<T> {
  let packsDone = 0;
  let bytesDone = 0;
  const progress = showCheckProgress(output, env, () => ({
    packsDone,
    packsTotal: Math.max(plan.packs, packsDone),
    bytesDone,
    bytesTotal: Math.max(plan.bytes, bytesDone),
  }));
  try {
    return await work({
      onProgress(packs, bytes) {
        packsDone = packs;
        bytesDone = bytes;
      },
      onDamagedPack: (pack, why) =>
        output.warn(
          `pack ${shortId(pack)} is left out: ${why}; what is needed of it is looked for in other packs`,
        ),
      onLeft: (message) => output.warn(message),
    });
  } finally {
    progress.stop();
    output.flush();
  }
}
