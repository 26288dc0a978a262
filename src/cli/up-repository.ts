import { readFileSync } from 'node:fs';
import { createAt, openAt, storageAt } from '../app/connect.ts';
import type { StorageAccess } from '../app/storage-access.ts';
import { hasCode } from '../core/errors.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { type LocatedRepository, locateRepository } from './configured.ts';
import { type PasswordSources, passwordFromSources, passwordVariables, resolvePassword } from './password.ts';
import { fileExists, writePrivateFile } from './private-file.ts';
import { storageAccess } from './storage-access.ts';
import { defaultRepository, generatePassword, keyFileOf } from './up-places.ts';

export interface UpRepository {
  readonly repository: Repository;
  readonly location: string;
  readonly created: boolean;
  /** Where the password is: made up by us and kept in a file, or the user's own. */
  readonly password:
    | { readonly generated: string; readonly keyFile: string }
    | { readonly whereItIs: string };
}

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

/** Without a word from the user it is this user's own, whatever a configuration has. */
async function locate(context: Context): Promise<LocatedRepository> {
  const { global, env } = context;
  if (global.repository || global.repositoryFile) return locateRepository(global, context);
  return { location: defaultRepository(env), options: {}, name: null, configured: undefined };
}

/** Says where the user keeps the password, without it. */
function whereItIs({ global, env }: Context, configured: boolean): string {
  if (global.passwordFile) return `it is in the file ${global.passwordFile}`;
  if (global.passwordCommand) return 'a password command prints it';
  if (global.insecureNoPassword) return 'it is empty';
  const variable = passwordVariables.find((name) => env[name]);
  if (variable) return `it was given in the environment variable ${variable}`;
  return configured ? 'the configuration says where it is' : 'it was typed in';
}

function keptPassword(keyFile: string): string | null {
  return fileExists(keyFile) ? readFileSync(keyFile, 'utf8').trim() : null;
}

/**
 * Opens the repository that is named, or the one of this user, and creates it where there is none. Without a
 * password from the user a strong one is made up; it is on disk before the repository is.
 *
 * @throws LifeboatError as `openAt` and `createAt`, `private-file-failed`, `password-missing`.
 */
export async function openOrCreate(context: Context): Promise<UpRepository> {
  const { global, env, output } = context;
  const { location, options: storageOptions, configured } = await locate(context);
  const access = storageAccess(context, storageOptions);
  const keyFile = keyFileOf(location, env);
  const sources: PasswordSources = { ...global, variables: passwordVariables, configured };
  const given = await passwordFromSources(sources, context);
  const kept = given === null ? keptPassword(keyFile) : null;
  if (kept !== null) output.hide(kept);

  const theirs = { whereItIs: whereItIs(context, configured !== undefined) };
  const ours = (password: string): UpRepository['password'] => ({ generated: password, keyFile });
  const known = given ?? kept;
  const options = { keyHint: global.keyHint, access };
  if (known !== null) {
    const password = given === null ? ours(known) : theirs;
    try {
      return { repository: await openAt(location, known, options), location, created: false, password };
    } catch (error) {
      if (!hasCode(error, 'repository-missing')) throw error;
    }
    return { repository: await createAt(location, known, {}, access), location, created: true, password };
  }
  if (await isThere(location, access)) {
    const typed = await resolvePassword(sources, context);
    return { repository: await openAt(location, typed, options), location, created: false, password: theirs };
  }
  const generated = generatePassword();
  output.hide(generated);
  writePrivateFile(keyFile, `${generated}\n`);
  return {
    repository: await createAt(location, generated, {}, access),
    location,
    created: true,
    password: ours(generated),
  };
}

/** Whether a repository is at a location; tells without a password. */
async function isThere(location: string, access: StorageAccess): Promise<boolean> {
  return (await storageAt(location, access).size('config')) !== null;
}
