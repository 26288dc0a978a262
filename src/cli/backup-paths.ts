import { fstatSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { type AheadRepository, looksNew } from '../app/connect.ts';
import { commandSource, inputSource } from '../app/stream-source.ts';
import { type ByteString, toText } from '../core/bytestring.ts';
import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Selection } from '../engine/backup/archive.ts';
import {
  type BackupReport,
  type BackupRequest,
  parentFilter,
  readGround,
  runBackup,
} from '../engine/backup/backup.ts';
import { startLookahead } from '../engine/backup/lookahead.ts';
import { scanTargets } from '../engine/backup/scan.ts';
import { absolutePath, createSelection } from '../engine/backup/selection.ts';
import { cacheDirectoryTag } from '../policy/exclude-if-present.ts';
import { flattenTags } from '../policy/tags.ts';
import type { FirstLists } from '../repository/first-lists.ts';
import { warmThreads } from '../repository/workers/threads.ts';
import type { BackupContext } from './backup-options.ts';
import { type BackupPrinter, createBackupPrinter } from './backup-printer.ts';
import { usualBackupRequest } from './backup-request.ts';
import { collectTargets, existingTargets } from './backup-targets.ts';
import { locateRepository } from './configured.ts';
import { excludeFilters } from './exclude-options.ts';
import { passwordVariables } from './password.ts';
import { progressIntervalMs } from './progress.ts';
import { retainAfterBackup } from './retain-if-due.ts';
import { withSessionLock } from './session.ts';

/** A closed standard input is opened on /dev/null by Node. An empty snapshot of it would pass for a backup. */
function isNothing(fd: number): boolean {
  return fstatSync(fd).rdev === statSync('/dev/null').rdev;
}

/** @throws LifeboatError `usage` where options contradict each other. */
async function checkOptions(context: BackupContext): Promise<void> {
  const { options: given, args, global, env, stdin } = context;
  const lists = [...given.filesFrom, ...given.filesFromVerbatim, ...given.filesFromRaw];
  const streamed = given.stdin || given.stdinFromCommand;
  const refuse = (message: string, hint: string): never => {
    throw new LifeboatError('usage', message, { hint });
  };
  const passwordIsAsked =
    !global.passwordCommand &&
    !global.passwordFile &&
    !global.insecureNoPassword &&
    !passwordVariables.some((variable) => env[variable]);
  const wantsInput = given.stdin || lists.includes('-');
  if (passwordIsAsked && wantsInput && !(await locateRepository(global, context)).configured)
    refuse(
      'standard input cannot give both the password and what is to be backed up',
      'give the password with --password-file or LIFEBOAT_PASSWORD',
    );
  if (streamed && lists.length > 0)
    refuse('--stdin and --files-from cannot be used together', 'use one of them');
  if (given.stdin && given.stdinFromCommand)
    refuse('--stdin and --stdin-from-command cannot be used together', 'use one of them');
  if (given.stdin && args.length > 0)
    refuse('--stdin was given together with files to back up', 'use one of them');
  if (given.stdin && stdin === process.stdin && isNothing(0))
    refuse(
      'standard input is closed or /dev/null, so there is nothing to back up',
      'pipe the data into the command',
    );
  if (given.stdinFromCommand && args.length === 0)
    refuse('--stdin-from-command needs a command', 'write it behind `--`');
}

function selectionOf(
  { options: given, env }: BackupContext,
  targets: readonly ByteString[],
  printer: BackupPrinter,
): Selection {
  return createSelection(
    {
      excluded: excludeFilters(given, env),
      tagFiles: [...given.excludeIfPresent, ...(given.excludeCaches ? [cacheDirectoryTag] : [])],
      sizeMax: given.excludeLargerThan,
      oneFileSystem: given.oneFileSystem ? targets : undefined,
      warn: (message) => printer.events.warning(message),
    },
    process.cwd(),
  );
}

function requestOf(
  context: BackupContext,
  targets: readonly ByteString[],
  selection: Selection,
  printer: BackupPrinter,
): BackupRequest {
  const { options: given, args, global, stdin, signal } = context;
  const workingDirectory = process.cwd();
  const host = given.host || hostname();
  const tags = flattenTags(given.tag);
  const streamName = given.stdinFilename;
  const source = given.stdinFromCommand
    ? { stream: commandSource(streamName, args) }
    : given.stdin
      ? { stream: inputSource(streamName, stdin) }
      : { paths: targets };
  const paths = targets.map((path) => toText(absolutePath(path, workingDirectory)));
  const parent = {
    named: given.parent,
    filter: parentFilter(given.groupBy, { host, paths, tags }, given.time),
  };
  return {
    ...usualBackupRequest({ global, signal }, printer.events.warning),
    source,
    selection,
    parent: given.force || 'stream' in source ? null : parent,
    ignoreInode: given.ignoreInode,
    ignoreCtime: given.ignoreCtime || given.ignoreInode,
    withAtime: given.withAtime,
    skipIfUnchanged: given.skipIfUnchanged,
    tags,
    excludes: given.exclude,
    host,
    timeMs: given.time,
    workers: given.readConcurrency,
    events: printer.events,
  };
}

/** A prune that ended while this backup began may have removed what it read: then it begins again. */
const attemptsMax = 3;

async function retryRaced(
  attempt: (early: FirstLists | true) => Promise<BackupReport>,
  lists: FirstLists | true,
  attemptsLeft: number,
): Promise<BackupReport> {
  try {
    return await attempt(lists);
  } catch (error) {
    if (attemptsLeft <= 1 || !hasCode(error, 'lock-raced')) throw error;
    return retryRaced(attempt, true, attemptsLeft - 1);
  }
}

/** Where a backup goes. */
export interface BackupPlace {
  readonly location: string;
  /** Asked once, early, so that the key is derived while folders are looked at. */
  open(): Promise<AheadRepository>;
}

/**
 * Backs up files, folders or a stream, and prints how it goes.
 * @returns the exit status. @throws LifeboatError `incomplete-backup` where a snapshot lacks items.
 */
export async function backUpPaths(
  context: BackupContext,
  place: () => Promise<BackupPlace>,
  facts: Readonly<Record<string, unknown>> = {},
): Promise<number> {
  await checkOptions(context);
  const { options: given, args, output, env, stdin } = context;
  const startedMs = performance.now();
  const streamed = given.stdin || given.stdinFromCommand;
  const warn = (message: string): void => output.warn(message);
  const named = streamed ? [] : await collectTargets(args, given, stdin, warn);
  const targets = streamed ? [] : existingTargets(named, warn);
  const printer = createBackupPrinter(output, env);
  const selection = selectionOf(context, targets, printer);
  // While the key is derived and the lock settles, this thread looks at the folders.
  const ahead = startLookahead(targets, selection);
  try {
    // A first backup keeps every thread busy; they load while the key is derived. A later one may need none.
    const { location, open } = await place();
    if (looksNew(location)) warmThreads();
    const { repository, lists } = await open();
    const locking = given.dryRun ? { ...context, global: { ...context.global, noLock: true } } : context;
    const attempt = (early: FirstLists | true): Promise<BackupReport> =>
      withSessionLock(
        locking,
        repository,
        'shared',
        async (signal, { settled, lists: listed }) => {
          const request = requestOf(context, targets, selection, printer);
          const shown = progressIntervalMs(output, env) > 0 && !given.noScan;
          if (shown && 'paths' in request.source)
            void scanTargets(request.source.paths, selection, signal).then(
              (totals) => totals && printer.scanned(totals),
            );
          // A lock that was raced or refused says more than what then could not be read.
          const ground = await readGround(repository, listed ?? undefined).catch((error) =>
            settled.then(() => Promise.reject(error)),
          );
          return runBackup(repository, ground, { ...request, lookahead: ahead, mayWrite: settled, signal });
        },
        early,
      );
    const report = await retryRaced(attempt, lists, streamed ? 1 : attemptsMax);
    printer.finish(report, given.dryRun, startedMs, facts);
    if (!given.dryRun) await retainAfterBackup(context, repository);
    const missed = report.problems + named.length - targets.length;
    if (missed === 0) return 0;
    throw new LifeboatError(
      'incomplete-backup',
      `${missed} item(s) could not be read as they were; the snapshot is incomplete`,
    );
  } finally {
    ahead.stop();
    printer.stop();
  }
}
