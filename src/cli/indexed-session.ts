import { hasCode } from '../core/errors.ts';
import { type BlobReader, openBlobReader } from '../repository/blob-reader.ts';
import { withBlockReads } from '../repository/block-reads.ts';
import type { FirstLists } from '../repository/first-lists.ts';
import { type BlobIndex, loadIndex } from '../repository/index/blob-index.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { openSessionAhead, withSessionLock } from './session.ts';

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
 * What commands begin with that look into snapshots: opens the repository, takes a shared lock, and reads
 * snapshots and index while the lock settles. Snapshots come first, so that the index knows all they refer to.
 */
export async function withIndexedRepository<T, R>(
  context: Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>,
  load: (repository: Repository, listed: FirstLists['snapshots'] | undefined) => Promise<T>,
  work: (session: IndexedSession<T>, signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const { repository, lists } = await openSessionAhead(context);
  let early: FirstLists | true = lists;
  for (let attempt = 1; ; attempt++) {
    try {
      return await withSessionLock(
        context,
        repository,
        'shared',
        async (signal, lock) => {
          const loading = loadIndex(repository, { listed: lock.lists?.index });
          loading.catch(() => undefined); // thrown below, unless the snapshots cannot be read
          const loaded = await load(repository, lock.lists?.snapshots);
          const index = await loading;
          await lock.settled;
          const storage = withBlockReads(repository.storage);
          const reader = openBlobReader({ ...repository, storage }, index);
          return work({ repository, index, reader, loaded }, signal);
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
