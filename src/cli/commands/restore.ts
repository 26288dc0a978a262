import { resolve } from 'node:path';
import { bytesOfText } from '../../core/bytestring.ts';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import { demandReadable } from '../../engine/cold/demand-readable.ts';
import { hasArchivedPacks } from '../../engine/cold/needed-packs.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import { type OverwriteMode, overwriteModes, type RestoreRequest } from '../../engine/restore/request.ts';
import { startRestore } from '../../engine/restore/restore.ts';
import { createRestoreSelection } from '../../engine/restore/selection.ts';
import { verifyRestored } from '../../engine/restore/verify.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type ThawSpeed, thawSpeeds } from '../../model/storage-class.ts';
import { compileFilter } from '../../policy/filter.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { optionalConfiguration, sourceNamed } from '../configured.ts';
import { excludeFilters, excludeOptions } from '../exclude-options.ts';
import { formatDuration, formatLocalTime } from '../format.ts';
import { includeFilters, includeOptions } from '../include-options.ts';
import { withEarlyRepository } from '../indexed-session.ts';
import { parseChoice, parseWholeNumber } from '../option-values.ts';
import { flag, type OptionTable, text, texts, value, valueOr } from '../options.ts';
import { showCounter } from '../progress.ts';
import { logicalRestoreOptions } from '../restore-logical-options.ts';
import { createRestorePrinter } from '../restore-printer.ts';
import { restoreSource, sourceToRestore } from '../restore-source.ts';
import { refuseFileOptions, refuseSourceOptions, restoreSourceOptions } from '../restore-source-options.ts';

import { commandToThaw, pollOption, runThaw, showThaw } from '../run-thaw.ts';
import { latestFilterOptions, snapshotFilterOf } from '../snapshot-options.ts';

const options = {
  target: text({ short: 't', placeholder: 'FOLDER', help: 'restore into this folder' }),
  ...includeOptions,
  ...excludeOptions,
  'include-xattr': texts({
    placeholder: 'PATTERN',
    help: 'only extended attributes that match the pattern (repeatable)',
  }),
  'exclude-xattr': texts({
    placeholder: 'PATTERN',
    help: 'leave out extended attributes that match the pattern (repeatable)',
  }),
  ...latestFilterOptions,
  overwrite: valueOr<OverwriteMode>({
    placeholder: 'MODE',
    help: 'what to do with files that are there: always (compare and correct them), if-changed (trust equal size and time), if-newer, never',
    fallback: 'always',
    parse: parseChoice(...overwriteModes),
  }),
  delete: flag({ help: 'remove what the snapshot does not have; see it before with --dry-run -vv' }),
  'dry-run': flag({ short: 'n', help: 'write nothing, say what would be done' }),
  ...restoreSourceOptions,
  ...logicalRestoreOptions,
  thaw: value<ThawSpeed>({
    placeholder: 'SPEED',
    help: 'bring archived packs back first and wait for them: expedited, standard or bulk; see `lifeboat help thaw`',
    parse: parseChoice(...thawSpeeds),
  }),
  'thaw-poll': pollOption,
  sparse: flag({ help: 'leave holes for zeros in files' }),
  verify: flag({ help: 'read the restored files again and compare them with the snapshot' }),
  'ownership-by-name': flag({ help: 'set owners by their names instead of their numbers' }),
  workers: value({
    placeholder: 'N',
    help: 'worker threads (default: one a core, at most 8)',
    env: ['LIFEBOAT_WORKERS'],
    parse: parseWholeNumber(1, 64),
  }),
} satisfies OptionTable;

type Context = CommandContext<typeof options>;

/** @throws LifeboatError `usage` where options contradict each other or would be dangerous together. */
function checkOptions({ options: given }: Context): string {
  const count = (...lists: (readonly string[])[]): number =>
    lists.reduce((sum, list) => sum + list.length, 0);
  const includes = count(given.include, given.iinclude, given.includeFile, given.iincludeFile);
  const excludes = count(given.exclude, given.iexclude, given.excludeFile, given.iexcludeFile);
  const refuse = (message: string, hint: string): never => {
    throw new LifeboatError('usage', message, { hint });
  };
  if (!given.target) return refuse('no folder to restore to is given', 'give --target FOLDER');
  if (includes > 0 && excludes > 0)
    refuse('--include and --exclude cannot be used together', 'use one of them');
  if (given.includeXattr.length > 0 && given.excludeXattr.length > 0)
    refuse('--include-xattr and --exclude-xattr cannot be used together', 'use one of them');
  if (given.dryRun && given.verify)
    refuse('--dry-run and --verify cannot be used together', 'a dry run writes nothing to verify');
  const target = resolve(given.target);
  if (given.delete && target === '/' && includes + excludes === 0)
    refuse(
      '--target / with --delete would remove everything that is not in the snapshot',
      'say with --include or --exclude what it is about',
    );
  return target;
}

function xattrSelection({ options: given }: Context): { selectXattr?: (name: string) => boolean } {
  const wanted = compileFilter(given.includeXattr.map(bytesOfText), { origin: '--include-xattr' });
  const unwanted = compileFilter(given.excludeXattr.map(bytesOfText), { origin: '--exclude-xattr' });
  if (!unwanted.isEmpty) return { selectXattr: (name) => !unwanted.matches(bytesOfText(name)) };
  if (!wanted.isEmpty) return { selectXattr: (name) => wanted.matches(bytesOfText(name)) };
  return {};
}

function describe({ id, paths, time, username, hostname }: StoredSnapshot): string {
  const by = username || hostname ? ` by ${username ?? ''}@${hostname ?? ''}` : '';
  return `snapshot ${id.slice(0, 8)} of [${paths.join(' ')}] at ${formatLocalTime(time)}${by}`;
}

function failed(problems: number): LifeboatError {
  return new LifeboatError(
    'restore-incomplete',
    problems === 1 ? 'there was 1 error' : `there were ${problems} errors`,
  );
}

/** Without a target it can only be about a database. @throws LifeboatError `usage` with the nearest name. */
async function refuseUnknownSource(context: Context): Promise<void> {
  const name = context.args[0]!;
  if (context.options.target || /^latest|[^a-z0-9-]|^[0-9a-f]{8,}$/.test(name)) return;
  const configuration = await optionalConfiguration(context);
  if (configuration && Object.keys(configuration.sources).length > 0) sourceNamed(configuration, name);
}

async function run(context: Context): Promise<number> {
  const found = await sourceToRestore(context, context.args[0]!);
  if (found) {
    refuseFileOptions(context.options);
    if (context.options.thaw)
      throw new LifeboatError('usage', '--thaw is for snapshots of files', {
        hint: 'without it the restore names the snapshot that it needs, and the `lifeboat thaw` that brings it back',
      });
    return restoreSource(context, found);
  }
  refuseSourceOptions(context.options, context.args[0]!);
  await refuseUnknownSource(context);
  return restoreSnapshot(context);
}

async function restoreSnapshot(context: Context): Promise<number> {
  const { options: given, args, output, env } = context;
  const target = checkOptions(context);
  const selection = createRestoreSelection(includeFilters(given, env), excludeFilters(given, env));
  const xattrs = xattrSelection(context);
  warmThreads();
  return withEarlyRepository(context, async (repository, lock) => {
    const { signal, lists } = lock;
    const loading = loadIndex(repository, { listed: lists?.index });
    loading.catch(() => undefined); // thrown below, unless the snapshot cannot be read
    const archived = hasArchivedPacks(repository);
    archived.catch(() => undefined); // thrown below, unless the snapshot cannot be read
    const named = await loadNamedSnapshot(repository, args[0]!, snapshotFilterOf(given), lists?.snapshots);
    const index = await loading;
    const findTree = (): Promise<Id> => selectedTree(openBlobReader(repository, index), named);
    const reading = { tree: findTree, selection, signal };
    if (given.thaw) await lock.settled;
    if (given.thaw && given.dryRun) await showThaw(context, repository, index, reading);
    else if (given.thaw) {
      const choice = { speed: given.thaw, pollMs: given.thawPoll, yes: given.yes };
      await runThaw(context, repository, index, reading, choice);
    } else {
      const thawCommand = commandToThaw(context, args[0]!);
      const demanded = { ...reading, archived, commandToThaw: thawCommand };
      await demandReadable(repository, index, demanded).catch((error: unknown) => {
        // A dry run reads trees only.
        if (!given.dryRun || !hasCode(error, 'storage-archived')) throw error;
        output.warn(`warning: ${error.message}; to restore, first ${error.hint}`);
      });
    }
    const tree = await findTree();
    const mayWrite = lock.settled.then(() => {
      output.info(`restoring ${describe(named.snapshot)} to ${given.target}`);
    });
    mayWrite.catch(() => undefined); // thrown where the restore awaits it
    const printer = createRestorePrinter(output, env);
    const request: RestoreRequest = {
      tree,
      target: bytesOfText(target),
      selection,
      overwrite: given.overwrite,
      deleteExtra: given.delete,
      dryRun: given.dryRun,
      sparse: given.sparse,
      owner: given.ownershipByName ? 'names' : 'numeric',
      ...xattrs,
      ...(given.workers === undefined ? {} : { workers: given.workers }),
      mayWrite,
      signal,
      events: printer.events,
    };
    try {
      const running = startRestore(repository, index, request);
      printer.watch(running.counts);
      const { counts, written } = await running.done;
      printer.finish(counts);
      if (counts.problems > 0) throw failed(counts.problems);
      if (!given.verify) return 0;
      output.info(`verifying files in ${given.target}`);
      const counter = showCounter(output, env, 'files verified', written.size);
      const report = await verifyRestored(repository, index, request, written, () => counter.add(1));
      counter.stop();
      if (report.problems > 0) throw failed(report.problems);
      output.info(
        `finished verifying ${report.filesVerified} files in ${given.target} (took ${formatDuration(report.durationMs)})`,
      );
      return 0;
    } finally {
      printer.stop();
    }
  });
}

export const command = defineCommand({
  name: 'restore',
  usage: 'restore [OPTION]... SNAPSHOT[:SUBFOLDER]|SOURCE',
  description: `
    Restores files of a snapshot into --target. SNAPSHOT is an ID, the beginning of one, or latest; with
    SUBFOLDER only what lies in that folder of the snapshot is restored, directly into the target.

    SOURCE is the name of a database in the configuration. It is recovered to a point in time: the plan is shown
    first, with what it needs and whether all of that is there. A physical backup goes into --target, or where the
    cluster was: there only what differs is fetched. Dumps go into the server of the source.

    A restore that was interrupted is resumed by running it again: files that are right already are kept.`,
  positionals: { min: 1, max: 1 },
  exitStatuses: { 1: 'something could not be restored' },
  examples: [
    {
      command: 'lifeboat restore latest --target /srv/restored',
      explains: 'everything in the newest snapshot',
    },
    {
      command: 'lifeboat restore latest:/srv/app --target /srv/app --delete --verify',
      explains: 'put a folder back as it was, and read it again to be sure',
    },
    {
      command: 'lifeboat restore 4f2a81c0 --target /tmp/r --include "*.conf"',
      explains: 'only some files',
    },
    {
      command: 'lifeboat restore app-db --to "2026-11-20 14:03:11+01"',
      explains: 'a database of the configuration, as it was at that time',
    },
    {
      command: 'lifeboat restore app-db --target /srv/copy --to latest --dry-run',
      explains: 'what it would take to bring it back elsewhere',
    },
  ],
  options,
  run,
});
