import { openAt } from '../app/connect.ts';
import { acquireLock } from '../repository/lock.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { locateRepository } from './configured.ts';
import { passwordVariables, resolvePassword } from './password.ts';
import { storageAccess } from './storage-access.ts';

/** What every command that works on a repository begins with: where it is, its password, its lock. */

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

/** @param dryRun open it so that nothing can be written. */
export async function openSession(context: Context, dryRun = false): Promise<Repository> {
  const { location, options, configured } = await locateRepository(context.global, context);
  const password = await resolvePassword(
    { ...context.global, variables: passwordVariables, configured },
    context,
  );
  return openAt(location, password, {
    keyHint: context.global.keyHint,
    readOnly: dryRun,
    access: storageAccess(context, options),
  });
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

export interface SessionLock {
  /** Aborts when the lock is lost, or with the command's own signal. */
  readonly signal: AbortSignal;
  /** For a lock taken early: await it before the first write. */
  readonly settled: Promise<void>;
}

/**
 * The lock part of `withRepository`, for commands that open more than one repository.
 * @param early begin to read while the lock settles; nothing may be written before `settled`.
 */
export async function withSessionLock<T>(
  context: Context,
  repository: Repository,
  mode: LockMode,
  work: (signal: AbortSignal, lock: SessionLock) => Promise<T>,
  early = false,
): Promise<T> {
  if (mode === 'shared' && context.global.noLock) {
    return work(context.signal, { signal: context.signal, settled: Promise.resolve() });
  }
  const lock = await acquireLock(repository, {
    exclusive: mode === 'exclusive',
    retryForMs: context.global.retryLockMs,
    signal: context.signal,
    early,
    onWait: (error) => context.output.warn(`${error.message}; waiting for it`),
  });
  try {
    return await work(lock.signal, lock);
  } finally {
    await lock.release();
  }
}
