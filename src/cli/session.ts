import { type AheadRepository, type OpenOptions, openAheadAt, openAt } from '../app/connect.ts';
import { beginReadingLists, type FirstLists, type ReadingLists } from '../repository/first-lists.ts';
import { acquireLock } from '../repository/lock.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { type ConfiguredOptions, locateRepository } from './configured.ts';
import { passwordVariables, resolvePassword } from './password.ts';
import { storageAccess } from './storage-access.ts';

/** What every command that works on a repository begins with: where it is, its password, its lock. */

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

type Through = NonNullable<ConfiguredOptions['through']>;

/**
 * @param dryRun open it so that nothing can be written.
 * @param through changes how the storage is reached.
 */
export async function openSession(
  context: Context,
  dryRun = false,
  through: Through = (access) => access,
): Promise<Repository> {
  const { location, password, options } = await opening(context, dryRun, through);
  return openAt(location, password, options);
}

/** The same for commands that read snapshots and index under a lock taken early: what there is, is listed meanwhile. */
export async function openSessionAhead(context: Context, dryRun = false): Promise<AheadRepository> {
  const { location, password, options } = await opening(context, dryRun);
  return openAheadAt(location, password, options);
}

async function opening(
  context: Context,
  dryRun: boolean,
  through: Through = (access) => access,
): Promise<{ location: string; password: string; options: OpenOptions }> {
  const { location, options, configured } = await locateRepository(context.global, context);
  const password = await resolvePassword(
    { ...context.global, variables: passwordVariables, configured },
    context,
  );
  const access = through(storageAccess(context, options));
  return { location, password, options: { keyHint: context.global.keyHint, readOnly: dryRun, access } };
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
  /** For a lock taken early: what to read snapshots and index from. */
  readonly lists: ReadingLists | null;
}

/**
 * The lock part of `withRepository`, for commands that open more than one repository.
 * @param early begin to read, from its lists, while the lock settles; nothing may be written before `settled`.
 */
export async function withSessionLock<T>(
  context: Context,
  repository: Repository,
  mode: LockMode,
  work: (signal: AbortSignal, lock: SessionLock) => Promise<T>,
  early: FirstLists | boolean = false,
): Promise<T> {
  if (mode === 'shared' && context.global.noLock) {
    const lists = typeof early === 'object' ? early : early ? beginReadingLists(repository.storage) : null;
    return work(context.signal, { signal: context.signal, settled: Promise.resolve(), lists });
  }
  const lock = await acquireLock(repository, {
    exclusive: mode === 'exclusive',
    retryForMs: context.global.retryLockMs,
    signal: context.signal,
    ...(early && { early }),
    onWait: (error) => context.output.warn(`${error.message}; waiting for it`),
  });
  try {
    return await work(lock.signal, lock);
  } finally {
    await lock.release();
  }
}
