import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type ByteString, bytesOfText, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import {
  type BackupGround,
  type BackupReport,
  parentFilter,
  readGround,
  runBackup,
} from '../../engine/backup/backup.ts';
import { formatMilliseconds } from '../../model/time.ts';
import { recoveryKit } from '../../recovery/recovery-kit.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { type Proof, proveSnapshot } from '../../verify/prove-snapshot.ts';
import { usualBackupRequest } from '../backup-request.ts';
import { existingTargets } from '../backup-targets.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { flag, type OptionTable, text } from '../options.ts';
import { fileExists, writePrivateFile } from '../private-file.ts';
import { withSessionLock } from '../session.ts';
import { kitFileOf } from '../up-places.ts';
import { createUpPrinter, type UpPrinter, type UpResult } from '../up-printer.ts';
import { openOrCreate, type UpRepository } from '../up-repository.ts';

const options = {
  once: flag({ help: 'back up and prove once, then end' }),
  scratch: text({
    placeholder: 'FOLDER',
    help: 'where to restore to for the proof (default: where temporary files go)',
  }),
} satisfies OptionTable;

type Context = CommandContext<typeof options>;

function checkOptions({ options: given }: Context): void {
  if (given.once) return;
  throw new LifeboatError('usage', 'this version of `up` only works with --once', {
    hint: 'give --once; backing up and proving on a schedule comes with a later version',
  });
}

function targetsOf({ args, output }: Context): ByteString[] {
  const named = args.map((path) => bytesOfText(resolve(path)));
  const existing = existingTargets(named, (message) => output.warn(message));
  if (existing.length === named.length) return existing;
  throw new LifeboatError('source-unreadable', 'not all of the paths exist, so nothing was backed up');
}

async function backUp(
  { signal, global }: Context,
  repository: Repository,
  ground: BackupGround,
  targets: readonly ByteString[],
  printer: UpPrinter,
  known: Set<ByteString>,
): Promise<BackupReport> {
  const host = hostname();
  const events = printer.backupEvents();
  return runBackup(repository, ground, {
    ...usualBackupRequest({ global, signal }, events.warning),
    source: { paths: targets },
    parent: {
      named: undefined,
      filter: parentFilter(
        { host: true, paths: true, tags: false },
        { host, paths: targets.map(toText), tags: [] },
        undefined,
      ),
    },
    events: {
      ...events,
      problem(path, error) {
        known.add(path);
        events.problem(path, error);
      },
    },
  });
}

/** Writes the recovery kit once; a kit that was kept is not replaced by one that knows less. */
function keepKit({ env }: Context, up: UpRepository, targets: readonly ByteString[]): string {
  const { id } = up.repository.config;
  const path = kitFileOf(id, env);
  if (!up.created && fileExists(path)) return path;
  const kit = recoveryKit({
    location: up.repository.storage.location.startsWith('/')
      ? up.repository.storage.location
      : resolve(up.location),
    repositoryId: id,
    host: hostname(),
    date: formatMilliseconds(Date.now()),
    paths: targets.map(toText),
    password: up.password,
  });
  writePrivateFile(path, kit);
  return path;
}

function statusOf({ report, proof }: { report: BackupReport; proof: Proof }): number {
  if (!proof.proven) {
    throw new LifeboatError(
      'proof-failed',
      `snapshot ${report.snapshotId!.slice(0, 8)} is stored, but it is not proven: what came back differs`,
    );
  }
  return report.problems > 0 ? 3 : 0;
}

async function run(context: Context): Promise<number> {
  checkOptions(context);
  const targets = targetsOf(context);
  const printer = createUpPrinter(context.output, context.env);
  try {
    const up = await openOrCreate(context);
    const kit = keepKit(context, up, targets);
    printer.opened(up, kit);
    const result = await withSessionLock(
      context,
      up.repository,
      'shared',
      async (signal): Promise<UpResult> => {
        const ground = await readGround(up.repository);
        const known = new Set<ByteString>();
        const inner = { ...context, signal };
        const startedMs = performance.now();
        const report = await backUp(inner, up.repository, ground, targets, printer, known);
        const backupMs = performance.now() - startedMs;
        printer.stored(report);
        const { summary, tree } = report;
        const proof = await proveSnapshot(up.repository, await loadIndex(up.repository), {
          tree,
          bytes: summary.total_bytes_processed,
          entries:
            summary.total_files_processed + summary.dirs_new + summary.dirs_changed + summary.dirs_unmodified,
          sourcePaths: targets,
          known,
          scratch: context.options.scratch === undefined ? undefined : resolve(context.options.scratch),
          signal,
          phase: printer.phase,
        });
        return { up, kit, targets: targets.map(toText), report, proof, backupMs };
      },
    );
    printer.finish(result);
    return statusOf(result);
  } finally {
    printer.stop();
  }
}

export const command = defineCommand({
  name: 'up',
  usage: 'up --once [OPTION]... PATH...',
  description: `
    Backs up files and folders, and proves it. Creates an encrypted repository if there is none; makes a
    snapshot; restores all of it into a scratch folder; compares every byte and all metadata with the snapshot
    and with the source; removes the scratch folder; and says what was stored and how long a restore takes.

    The repository is the one of --repo or LIFEBOAT_REPOSITORY, else one in your data folder. Without a
    password from you, a strong one is made up and kept in a key file. A recovery kit says how to get
    everything back, also without Lifeboat: print it, or store it away from this machine.`,
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  exitStatuses: {
    1: 'what was restored differs from what was backed up, or another error',
    3: 'the snapshot is proven, but some items could not be read or changed while they were read',
  },
  examples: [
    { command: 'lifeboat up --once ~/documents', explains: 'back up and prove a folder' },
    {
      command: 'lifeboat up --once --repo /mnt/backup --json /srv/app',
      explains: 'into a repository of your choice, for programs',
    },
  ],
  documentation: 'docs/without-lifeboat.md',
  options,
  run,
});
