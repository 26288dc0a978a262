import { openAt } from '../app/connect.ts';
import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { locateRepository } from './configured.ts';
import { flag, type OptionTable, text } from './options.ts';
import { resolvePassword } from './password.ts';
import { storageAccess } from './storage-access.ts';

const both = (name: string): readonly string[] => [`LIFEBOAT_FROM_${name}`, `RESTIC_FROM_${name}`];

/** Options that name a second repository, to read from (restic internal/global/secondary_repo.go). */
export const fromOptions = {
  'from-repo': text({
    placeholder: 'LOCATION',
    help: 'repository to copy from',
    env: both('REPOSITORY'),
  }),
  'from-repository-file': text({
    placeholder: 'FILE',
    help: 'read the location of that repository from this file',
    env: both('REPOSITORY_FILE'),
  }),
  'from-password-file': text({
    placeholder: 'FILE',
    help: 'read its password from this file',
    env: both('PASSWORD_FILE'),
  }),
  'from-password-command': text({
    placeholder: 'COMMAND',
    help: 'run this command and take what it prints as its password',
    env: both('PASSWORD_COMMAND'),
  }),
  'from-key-hint': text({
    placeholder: 'ID',
    help: 'try its key with this ID before the others',
    env: both('KEY_HINT'),
  }),
  'from-insecure-no-password': flag({ help: 'that repository has an empty password (insecure)' }),
} satisfies OptionTable;

export interface FromValues {
  readonly fromRepo: string | undefined;
  readonly fromRepositoryFile: string | undefined;
  readonly fromPasswordFile: string | undefined;
  readonly fromPasswordCommand: string | undefined;
  readonly fromKeyHint: string | undefined;
  readonly fromInsecureNoPassword: boolean;
}

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

/** @throws LifeboatError `usage` where none is named, and as `openAt`. */
export async function openFromRepository(context: Context, values: FromValues): Promise<Repository> {
  return (await fromOpening(context, values))();
}

/**
 * Asks for its password, so that another one can be asked for before it is open.
 * @returns a way to open it. @throws LifeboatError `usage` where none is named; opening as `openAt`.
 */
export async function fromOpening(context: Context, values: FromValues): Promise<() => Promise<Repository>> {
  const { fromRepo: repository, fromRepositoryFile: repositoryFile } = values;
  if (repository !== undefined && repositoryFile !== undefined)
    throw new LifeboatError('usage', '--from-repo and --from-repository-file exclude each other');
  if (repository === undefined && repositoryFile === undefined)
    throw new LifeboatError('usage', 'no repository to copy from was given', {
      hint: 'give --from-repo LOCATION or --from-repository-file FILE, or set LIFEBOAT_FROM_REPOSITORY; --to NAME names repositories of the configuration',
    });
  const { location, options, configured } = await locateRepository({ repository, repositoryFile }, context);
  const password = await resolvePassword(
    {
      passwordFile: values.fromPasswordFile,
      passwordCommand: values.fromPasswordCommand,
      insecureNoPassword: values.fromInsecureNoPassword,
      variables: both('PASSWORD'),
      configured,
    },
    context,
    'enter password for source repository: ',
  );
  const access = storageAccess(context, options);
  return () => namingFromPassword(openAt(location, password, { keyHint: values.fromKeyHint, access }));
}

/** Where the password of what is read from is wrong, the hint names where that one comes from. */
export async function namingFromPassword<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!hasCode(error, 'password-wrong')) throw error;
    throw new LifeboatError('password-wrong', error.message, {
      cause: error,
      hint: 'check LIFEBOAT_FROM_PASSWORD, --from-password-file or --from-password-command',
    });
  }
}
