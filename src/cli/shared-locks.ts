import { acquireLock, type HeldLock } from '../repository/lock.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';

export interface ToLock {
  readonly repository: Repository;
  /** Whether --no-lock is for it: what is only read may do without. */
  readonly optional: boolean;
}

/**
 * Locks several repositories at the same time, as each lock takes a moment to settle, and gives the locks back at the
 * end, whatever happens.
 * @param work gets a signal that aborts when a lock is lost, or with the command's own.
 * @throws LifeboatError as `acquireLock`.
 */
export async function withSharedLocks<T>(
  { global, output, signal }: Pick<CommandContext, 'global' | 'output' | 'signal'>,
  wanted: readonly ToLock[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const taken = await Promise.allSettled(
    wanted
      .filter(({ optional }) => !(optional && global.noLock))
      .map(({ repository }) =>
        acquireLock(repository, {
          exclusive: false,
          retryForMs: global.retryLockMs,
          signal,
          onWait: (error) => output.warn(`${error.message}; waiting for it`),
        }),
      ),
  );
  const locks = taken.flatMap((each): HeldLock[] => (each.status === 'fulfilled' ? [each.value] : []));
  try {
    for (const each of taken) if (each.status === 'rejected') throw each.reason;
    return await work(AbortSignal.any([signal, ...locks.map((lock) => lock.signal)]));
  } finally {
    await Promise.all(locks.map((lock) => lock.release()));
  }
}
