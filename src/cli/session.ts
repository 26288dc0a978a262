import { readFileSync } from 'node:fs';
import { openAt } from '../app/connect.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { acquireLock } from '../repository/lock.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { passwordVariables, resolvePassword } from './password.ts';

/** What every command that works on a repository begins with: where it is, its password, its lock. */

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

/** @throws LifeboatError `usage` where no repository is named. */
export function locationOf({ global }: Pick<Context, 'global'>): string {
  if (global.repository) return global.repository;
  if (global.repositoryFile) {
    try {
      const location = readFileSync(global.repositoryFile, 'utf8').trim();
      if (location) return location;
    } catch (error) {
      throw new LifeboatError(
        'usage',
        `cannot read --repository-file ${global.repositoryFile}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    throw new LifeboatError('usage', `the file ${global.repositoryFile} names no repository`);
  }
  throw new LifeboatError('usage', 'no repository is named', {
    hint: 'give --repo PATH, or set LIFEBOAT_REPOSITORY',
  });
}

export async function openSession(context: Context): Promise<Repository> {
  const location = locationOf(context);
  const password = await resolvePassword({ ...context.global, variables: passwordVariables }, context);
  return openAt(location, password, context.global.keyHint);
}

export type LockMode = 'shared' | 'exclusive';

/**
 * Opens the repository, takes the lock that the command needs and gives it back at the end, whatever
 * happens. With --no-lock a shared lock is not taken; an exclusive one always is.
 */
export async function withRepository<T>(
  context: Context,
  mode: LockMode,
  work: (repository: Repository, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const repository = await openSession(context);
  return withSessionLock(context, repository, mode, (signal) => work(repository, signal));
}

/** The lock part of `withRepository`, for commands that open more than one repository. */
export async function withSessionLock<T>(
  context: Context,
  repository: Repository,
  mode: LockMode,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (mode === 'shared' && context.global.noLock) return work(context.signal);
  const lock = await acquireLock(repository, {
    exclusive: mode === 'exclusive',
    retryForMs: context.global.retryLockMs,
    signal: context.signal,
    onWait: (error) => context.output.warn(`${error.message}; waiting for it`),
  });
  try {
    return await work(lock.signal);
  } finally {
    await lock.release();
  }
}
