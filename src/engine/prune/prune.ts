import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { type EarlyDeletion, earlyDeletionOf, isArchivedPack, listPacks } from './cold-packs.ts';
import type { PruneOptions } from './options.ts';
import { type PackLocks, packLocks } from './pack-locks.ts';
import { type PrunePlan, planPrune } from './plan.ts';
import { findUsedBlobs } from './used-blobs.ts';

/** A pack that cannot be removed yet is repacked when this part of it is unused: then room is won in the end. */
const halfUnused = 0.5;

export interface PreparedPrune {
  readonly index: BlobIndex;
  readonly plan: PrunePlan;
  /** What deleting so early costs, where packs are in classes with a least time. */
  readonly earlyDeletion: EarlyDeletion;
  readonly locks: PackLocks;
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
  given: PruneOptions,
  ignore: ReadonlySet<Id> = new Set(),
  events: PreparationEvents = {},
  signal?: AbortSignal,
): Promise<PreparedPrune> {
  // Where packs stay for long anyway, repacking must be worth more.
  const isVault = repository.storage.vault?.policy ?? false;
  const options = isVault ? { ...given, repackUnusedMin: halfUnused } : given;
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
    const listed = await listPacks(repository.storage);
    const { version } = repository.config;
    const locks = packLocks(repository.storage);
    // What cannot be read cannot be repacked; deleting it is no matter.
    const isHeld = (id: Id): boolean => locks.isHeld(id) || isArchivedPack(listed, id);
    const state = { index, used, packs: listed.files, version, locks: { ...locks, isHeld } };
    let plan = planPrune(state, options);
    // With what is locked left out another choice may follow, of packs that were not asked about yet.
    while (await locks.look(candidatesOf(plan, index), signal)) plan = planPrune(state, options);
    return { index, plan, locks, earlyDeletion: earlyDeletionOf(plan, index, listed, Date.now()) };
  } finally {
    await pool.close();
  }
}

function candidatesOf({ unreferenced, remove, repack }: PrunePlan, { packId }: BlobIndex): Id[] {
  return [...unreferenced, ...remove.map(packId), ...repack.map(packId)];
}

function treeOf({ id, tree }: StoredSnapshot): Id {
  if (tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${id} has no tree; nothing was removed`);
  return tree;
}
