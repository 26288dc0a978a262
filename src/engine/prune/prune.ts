import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { openPool } from '../../repository/workers/pool.ts';
import type { PruneOptions } from './options.ts';
import { type PrunePlan, planPrune } from './plan.ts';
import { findUsedBlobs } from './used-blobs.ts';

export interface PreparedPrune {
  readonly index: BlobIndex;
  readonly plan: PrunePlan;
}

export interface PreparationEvents {
  readonly onIndex?: (done: number, total: number) => void;
  /** Trees that have been read so far are told by their number. */
  readonly onTrees?: (number: number) => void;
  readonly onSnapshots?: (total: number) => void;
}

/**
 * Loads the index, walks the trees of all snapshots and plans. Changes nothing. Needs an exclusive lock unless
 * the plan is only to be shown.
 * @param ignore snapshots that count as forgotten already.
 * @throws LifeboatError `repository-damaged` where something that snapshots need is missing.
 */
export async function preparePrune(
  repository: Repository,
  options: PruneOptions,
  ignore: ReadonlySet<Id> = new Set(),
  events: PreparationEvents = {},
  signal?: AbortSignal,
): Promise<PreparedPrune> {
  const { snapshots } = await listSnapshots(repository);
  const wanted = snapshots.filter(({ id }) => !ignore.has(id));
  events.onSnapshots?.(wanted.length);
  const index = await loadIndex(repository, events.onIndex ? { progress: events.onIndex } : {});
  const pool = openPool(repository, { table: index.table.memory });
  try {
    const used = await findUsedBlobs(repository, index, pool, wanted.map(treeOf), {
      ...(signal ? { signal } : {}),
      ...(events.onTrees ? { onTrees: events.onTrees } : {}),
    });
    const packs = await listFiles(repository.storage, 'data');
    const { version } = repository.config;
    return { index, plan: planPrune({ index, used, packs, version }, options) };
  } finally {
    await pool.close();
  }
}

function treeOf({ id, tree }: StoredSnapshot): Id {
  if (tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${id} has no tree; nothing was removed`);
  return tree;
}
