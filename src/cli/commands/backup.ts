import { fstatSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { looksNew } from '../../app/connect.ts';
import { commandSource, inputSource } from '../../app/stream-source.ts';
import { type ByteString, toText } from '../../core/bytestring.ts';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Selection } from '../../engine/backup/archive.ts';
import {
  type BackupReport,
  type BackupRequest,
  parentFilter,
  readGround,
  runBackup,
} from '../../engine/backup/backup.ts';
import { startLookahead } from '../../engine/backup/lookahead.ts';
import { scanTargets } from '../../engine/backup/scan.ts';
import { absolutePath, createSelection } from '../../engine/backup/selection.ts';
import { parseHumanTime } from '../../model/time.ts';
import { cacheDirectoryTag, parseTagFile } from '../../policy/exclude-if-present.ts';
import { parseGroupBy } from '../../policy/grouping.ts';
import { parseSize } from '../../policy/size.ts';
import { flattenTags, parseTagList } from '../../policy/tags.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { type BackupPrinter, createBackupPrinter } from '../backup-printer.ts';
import { collectTargets, existingTargets } from '../backup-targets.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { locateRepository } from '../configured.ts';
import { excludeFilters, excludeOptions } from '../exclude-options.ts';
import { parseWholeNumber } from '../option-values.ts';
import { flag, type OptionTable, text, texts, value, valueOr, values } from '../options.ts';
import { passwordVariables } from '../password.ts';
import { progressIntervalMs } from '../progress.ts';
import { openSession, withSessionLock } from '../session.ts';
import { lifeboatVersion } from '../version.ts';

const options = {
  ...excludeOptions,
  'exclude-caches': flag({ help: 'leave out what lies in directories with a CACHEDIR.TAG' }),
  'exclude-if-present': values({
    placeholder: 'NAME[:HEADER]',
    help: 'leave out what lies in directories with a file of this name, beginning with HEADER if given (repeatable)',
    parse: parseTagFile,
  }),
  'exclude-larger-than': value({
    placeholder: 'SIZE',
    help: 'leave out files larger than this, such as 10M or 2G',
    parse: parseSize,
  }),
  'one-file-system': flag({ short: 'x', help: 'do not cross into other file systems' }),
  'files-from': texts({
    placeholder: 'FILE',
    help: 'read patterns of files to back up from a file, one a line (repeatable; - for stdin)',
  }),
  'files-from-verbatim': texts({
    placeholder: 'FILE',
    help: 'read names of files to back up, one a line, taken as they are (repeatable)',
  }),
  'files-from-raw': texts({
    placeholder: 'FILE',
    help: 'read names of files to back up, each ended by a zero byte (repeatable)',
  }),
  stdin: flag({ help: 'back up what comes on standard input, as one file' }),
  'stdin-from-command': flag({
    help: 'run the arguments as a command and back up its output; if it fails, no snapshot is made',
  }),
  'stdin-filename': valueOr({
    placeholder: 'NAME',
    help: 'name of that file in the snapshot',
    fallback: 'stdin',
    parse: String,
  }),
  tag: values({
    placeholder: 'TAG[,TAG]...',
    help: 'give the snapshot these tags (repeatable)',
    parse: parseTagList,
  }),
  host: valueOr({
    short: 'H',
    placeholder: 'HOST',
    help: 'host name to record instead of this machine’s',
    env: ['LIFEBOAT_HOST', 'RESTIC_HOST'],
    fallback: '',
    parse: String,
  }),
  time: value({
    placeholder: 'TIME',
    help: 'time to record, such as "2026-11-20 14:03:11"',
    parse(given) {
      const instant = parseHumanTime(given);
      if (!instant) throw new Error('expected a time such as "2026-11-20 14:03:11"');
      return instant.seconds * 1000 + instant.nanoseconds / 1e6;
    },
  }),
  parent: text({
    placeholder: 'SNAPSHOT',
    help: 'compare with this snapshot instead of the latest of the same group',
  }),
  'group-by': valueOr({
    short: 'g',
    placeholder: 'LIST',
    help: 'what snapshots of a group share: host, paths, tags',
    fallback: parseGroupBy('host,paths'),
    parse: parseGroupBy,
  }),
  force: flag({ short: 'f', help: 'read every file again, changed or not' }),
  'ignore-inode': flag({
    help: 'a new inode or change time does not make a file changed',
    env: ['LIFEBOAT_IGNORE_INODE', 'RESTIC_IGNORE_INODE'],
  }),
  'ignore-ctime': flag({
    help: 'a new change time does not make a file changed',
    env: ['LIFEBOAT_IGNORE_CTIME', 'RESTIC_IGNORE_CTIME'],
  }),
  'with-atime': flag({ help: 'record access times' }),
  'skip-if-unchanged': flag({ help: 'make no snapshot where it would equal its parent' }),
  'no-scan': flag({ help: 'do not count files beforehand: no percentage, no time left' }),
  'read-concurrency': value({
    placeholder: 'N',
    help: 'worker threads that read and store (default: one a core, at most 8)',
    env: ['LIFEBOAT_READ_CONCURRENCY', 'RESTIC_READ_CONCURRENCY'],
    parse: parseWholeNumber(1, 64),
  }),
  'dry-run': flag({ short: 'n', help: 'write nothing, say what would be done' }),
} satisfies OptionTable;

type Context = CommandContext<typeof options>;

/** A closed standard input is opened on /dev/null by Node. An empty snapshot of it would pass for a backup. */
function isNothing(fd: number): boolean {
  return fstatSync(fd).rdev === statSync('/dev/null').rdev;
}

/** @throws LifeboatError `usage` where options contradict each other. */
async function checkOptions(context: Context): Promise<void> {
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
  { options: given, env }: Context,
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
  context: Context,
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
    program: `lifeboat ${lifeboatVersion()}`,
    workingDirectory,
    compression: global.compression as BackupRequest['compression'],
    packBytes: global.packBytes,
    workers: given.readConcurrency,
    signal,
    events: printer.events,
  };
}

/** A prune that ended while this backup began may have removed what it read: then it begins again. */
const attemptsMax = 3;

async function retryRaced(attempt: () => Promise<BackupReport>, attemptsLeft: number): Promise<BackupReport> {
  try {
    return await attempt();
  } catch (error) {
    if (attemptsLeft <= 1 || !hasCode(error, 'lock-raced')) throw error;
    return retryRaced(attempt, attemptsLeft - 1);
  }
}

async function run(context: Context): Promise<number> {
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
    if (looksNew((await locateRepository(context.global, context)).location)) warmThreads();
    const repository = await openSession(context, given.dryRun);
    const locking = given.dryRun ? { ...context, global: { ...context.global, noLock: true } } : context;
    const attempt = (): Promise<BackupReport> =>
      withSessionLock(
        locking,
        repository,
        'shared',
        async (signal, { settled }) => {
          const request = requestOf(context, targets, selection, printer);
          const shown = progressIntervalMs(output, env) > 0 && !given.noScan;
          if (shown && 'paths' in request.source)
            void scanTargets(request.source.paths, selection, signal).then(
              (totals) => totals && printer.scanned(totals),
            );
          // A lock that was raced or refused says more than what then could not be read.
          const ground = await readGround(repository).catch((error) =>
            settled.then(() => Promise.reject(error)),
          );
          return runBackup(repository, ground, { ...request, lookahead: ahead, mayWrite: settled, signal });
        },
        true,
      );
    const report = await retryRaced(attempt, streamed ? 1 : attemptsMax);
    printer.finish(report, given.dryRun, startedMs);
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

export const command = defineCommand({
  name: 'backup',
  usage: 'backup [OPTION]... PATH...',
  description:
    'Makes a snapshot of files and folders. Only what the repository does not hold yet is stored; files that did not change since the latest snapshot of the same host and paths are not read again.',
  positionals: { max: Number.POSITIVE_INFINITY },
  exitStatuses: {
    3: 'a snapshot was made, but some items could not be read or changed while they were read',
  },
  examples: [
    { command: 'lifeboat backup /srv/app/uploads --tag nightly', explains: 'back up a folder' },
    {
      command: 'lifeboat backup --stdin-from-command --stdin-filename app.sql -- pg_dump app',
      explains: 'back up what a command prints',
    },
    { command: 'lifeboat backup . --exclude "*.tmp" --dry-run', explains: 'see what a backup would add' },
  ],
  options,
  run,
});
