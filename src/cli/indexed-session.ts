import { hasCode } from '../core/errors.ts';
import { type BlobReader, openBlobReader } from '../repository/blob-reader.ts';
import { withBlockReads } from '../repository/block-reads.ts';
import type { FirstLists } from '../repository/first-lists.ts';
import { type BlobIndex, loadIndex } from '../repository/index/blob-index.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { openSessionAhead, type SessionLock, withSessionLock } from './session.ts';

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

/** A prune that ends at the very moment is met once, hardly twice. */
const attemptsMax = 3;

export interface IndexedSession<T> {
  readonly repository: Repository;
  readonly index: BlobIndex;
  /** For trees and small files, which lie close together. */
  readonly reader: BlobReader;
  /** What was loaded before the index: the snapshots to look at. */
  readonly loaded: T;
}

/**
 * Opens the repository and reads while a shared lock settles; what the work returns counts only then. It begins
 * again where another process changed what was read.
 *
 * @param work is to change nothing and to show nothing before `lock.settled`.
 */
export async function withEarlyRepository<R>(
  context: Context,
  work: (repository: Repository, lock: SessionLock) => Promise<R>,
): Promise<R> {
  const { repository, lists } = await openSessionAhead(context);
  let early: FirstLists | true = lists;
  for (let attempt = 1; ; attempt++) {
    try {
      return await withSessionLock(
        context,
        repository,
        'shared',
        async (_, lock) => {
          const result = await work(repository, lock).catch(async (error: unknown) => {
            // A lock that was raced or refused says more than what then could not be read.
            await lock.settled;
            throw error;
          });
          await lock.settled;
          return result;
        },
        early,
      );
    } catch (error) {
      // Nothing was shown yet: what was read may be outdated, so it is read again.
      if (!hasCode(error, 'lock-raced') || attempt === attemptsMax) throw error;
      early = true;
    }
  }
}

/**
 * What commands begin with that look into snapshots: opens the repository, takes a shared lock, and reads
 * snapshots and index while the lock settles. Snapshots come first, so that the index knows all they refer to.
 */
export async function withIndexedRepository<T, R>(
  context: Context,
  load: (repository: Repository, listed?: FirstLists['snapshots']) => Promise<T>,
  work: (session: IndexedSession<T>, signal: AbortSignal) => Promise<R>,
): Promise<R> {
  return withEarlyRepository(context, async (repository, { lists, settled, signal }) => {
    const loading = loadIndex(repository, { listed: lists?.index });
    loading.catch(() => undefined); // thrown below, unless the snapshots cannot be read
    const loaded = await load(repository, lists?.snapshots);
    const index = await loading;
    await settled;
    const storage = withBlockReads(repository.storage);
    const reader = openBlobReader({ ...repository, storage }, index);
    return work({ repository, index, reader, loaded }, signal);
  });
}
