import { LifeboatError } from '../core/errors.ts';
import {
  type Configuration,
  repositoriesOfSource,
  type SourceConfiguration,
} from '../model/configuration.ts';
import { type BackupContext, defaultGrouping } from './backup-options.ts';
import { repositoryNamed, sourceNamed } from './configured.ts';

/** Which options make sense when sources of the configuration are backed up, and what they choose. */

function refuse(message: string, hint: string): never {
  throw new LifeboatError('usage', message, { hint });
}

/** Whether sources are named instead of paths. @throws LifeboatError `usage` for options that need them. */
export function namesSources({ options: given }: BackupContext): boolean {
  if (given.source.length > 0 || given.all) return true;
  const alone = given.type !== undefined ? '--type' : given.repository.length > 0 ? '--repository' : null;
  if (alone)
    refuse(`${alone} needs --source or --all`, 'name a source of the configuration with --source NAME');
  return false;
}

/** One source and the repositories it goes to, one after the other. */
export interface PlannedSource {
  readonly source: SourceConfiguration;
  /** Names; at least one. */
  readonly repositories: readonly string[];
}

/** @throws LifeboatError `usage` for unknown names, and for options that contradict the sources. */
export function planSources(context: BackupContext, configuration: Configuration): PlannedSource[] {
  const { options: given, args } = context;
  if (args.length > 0)
    refuse('paths and --source cannot be backed up together', 'run the command once for each');
  if (given.all && given.source.length > 0)
    refuse('--all includes every source', 'leave out --source or --all');
  const names = given.all ? Object.keys(configuration.sources) : [...new Set(given.source)];
  if (names.length === 0) refuse(`${configuration.path} has no sources`, 'add one below `sources`');
  const chosen = chosenRepositories(context, configuration);
  return names.map((name) => {
    const source = sourceNamed(configuration, name);
    checkOptions(context, source);
    const repositories = chosen ?? repositoriesOfSource(configuration, name);
    if (repositories.length === 0)
      refuse(`no repository keeps ${name}`, `name ${name} below \`protect\` in ${configuration.path}`);
    return { source, repositories };
  });
}

/** Names given with --repository or -r; null for those that the configuration says. */
function chosenRepositories(
  { options: given, global, env }: BackupContext,
  configuration: Configuration,
): string[] | null {
  // What stands in the environment is meant for commands that name no source.
  const argument = (value: string | undefined, ...variables: string[]): string | undefined =>
    value && !variables.some((name) => env[name] === value) ? value : undefined;
  if (
    argument(global.passwordFile, 'LIFEBOAT_PASSWORD_FILE', 'RESTIC_PASSWORD_FILE') ||
    argument(global.passwordCommand, 'LIFEBOAT_PASSWORD_COMMAND', 'RESTIC_PASSWORD_COMMAND') ||
    global.insecureNoPassword
  ) {
    refuse('with --source, passwords of repositories are those of the configuration', 'leave the option out');
  }
  if (argument(global.repositoryFile, 'LIFEBOAT_REPOSITORY_FILE', 'RESTIC_REPOSITORY_FILE'))
    refuse('with --source, repositories are those of the configuration', 'name one with --repository NAME');
  const single = argument(global.repository, 'LIFEBOAT_REPOSITORY', 'RESTIC_REPOSITORY');
  const names = [...new Set([...given.repository, ...(single ? [single] : [])])];
  for (const name of names) repositoryNamed(configuration, name);
  return names.length > 0 ? names : null;
}

/** Options of restic that say what to do with files, and those that say what else to back up. */
function checkOptions({ options: given }: BackupContext, source: SourceConfiguration): void {
  const check = (used: Readonly<Record<string, boolean>>, why: string, hint: string): void => {
    const found = Object.keys(used).find((option) => used[option]);
    if (found) refuse(`${found} makes no sense for ${source.name}: ${why}`, hint);
  };
  check(
    {
      '--stdin': given.stdin,
      '--stdin-from-command': given.stdinFromCommand,
      '--files-from': given.filesFrom.length > 0,
      '--files-from-verbatim': given.filesFromVerbatim.length > 0,
      '--files-from-raw': given.filesFromRaw.length > 0,
    },
    'what is backed up stands in the configuration',
    'leave the option out',
  );
  const typed = source.type === 'postgres' && source.method === 'physical';
  // With --all the type is for those that know types.
  if (!typed && !given.all) {
    check(
      { '--type': given.type !== undefined },
      'only physical backups have a type',
      'leave the option out',
    );
  }
  if (source.type !== 'postgres') return;
  check(
    { '--force': given.force, '--parent': given.parent !== undefined },
    'it is a database, whose type of backup says what is read again',
    'give --type full',
  );
  check(
    {
      '--exclude': given.exclude.length > 0,
      '--iexclude': given.iexclude.length > 0,
      '--exclude-file': given.excludeFile.length > 0,
      '--iexclude-file': given.iexcludeFile.length > 0,
      '--exclude-caches': given.excludeCaches,
      '--exclude-if-present': given.excludeIfPresent.length > 0,
      '--exclude-larger-than': given.excludeLargerThan !== undefined,
      '--one-file-system': given.oneFileSystem,
      '--with-atime': given.withAtime,
      '--skip-if-unchanged': given.skipIfUnchanged,
      '--time': given.time !== undefined,
      '--group-by': given.groupBy !== defaultGrouping,
    },
    'it is a database',
    'leave the option out; the configuration says what of a database is backed up',
  );
}
