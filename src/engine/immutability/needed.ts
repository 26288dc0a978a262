import type { Id } from '../../model/id.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { configKey, keyOf } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { treeOfSnapshot } from '../look/find-snapshot.ts';
import { measurePacks } from '../prune/pack-usage.ts';
import { emptyStats } from '../prune/stats.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';

/** Keys of what snapshots need to be restored. */
export interface NeededObjects {
  readonly snapshots: readonly string[];
  readonly packs: readonly string[];
  readonly index: readonly string[];
  /** The config and the keys. */
  readonly access: readonly string[];
  readonly all: BlobIndex;
}

export interface NeededOptions {
  readonly signal?: AbortSignal;
  readonly onTrees?: (number: number) => void;
}

/**
 * Walks the trees of snapshots. Of a blob that several packs hold, one of them is needed.
 * @param ids null: all snapshots.
 * @throws LifeboatError `repository-damaged` where something is missing.
 */
export async function findNeeded(
  repository: Repository,
  ids: ReadonlySet<Id> | null,
  { signal, onTrees }: NeededOptions = {},
): Promise<NeededObjects> {
  const { snapshots } = await listSnapshots(repository);
  const wanted = ids === null ? snapshots : snapshots.filter(({ id }) => ids.has(id));
  const index = await loadIndex(repository);
  const pool = openPool(repository, { table: index.table.memory });
  try {
    const used = await findUsedBlobs(repository, index, pool, wanted.map(treeOfSnapshot), {
      ...(signal ? { signal } : {}),
      ...(onTrees ? { onTrees } : {}),
    });
    const { usedBlobs } = measurePacks(index, used, emptyStats());
    const isUsed = (pack: number): boolean => usedBlobs[pack]! > 0;
    const packs = Array.from(usedBlobs, (_, pack) => pack).filter(isUsed);
    const files = [...index.files].filter(([, described]) => ids === null || described.some(isUsed));
    const keys = await listFiles(repository.storage, 'keys');
    return {
      snapshots: wanted.map(({ id }) => keyOf('snapshots', id)),
      packs: packs.map((pack) => keyOf('data', index.packId(pack))),
      index: files.map(([id]) => keyOf('index', id)),
      access: [...keys.map(({ id }) => keyOf('keys', id)), configKey],
      all: index,
    };
  } finally {
    await pool.close();
  }
}
