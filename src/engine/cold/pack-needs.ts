import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { rankOf, type StorageClass } from '../../model/storage-class.ts';
import type { TierDecision } from '../../policy/tiers.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';

/**
 * In which class each pack is needed: the hottest of all snapshots that need something in it. A snapshot that no
 * tier keeps is still there, so what it needs stays where it is (`unplaced`).
 */
export type PackNeed = StorageClass | 'unplaced';

/** What snapshots of one kind need: first entries (`firstCopyOf`) of their blobs. */
export interface NeedLevel {
  readonly need: PackNeed;
  readonly used: EntrySet;
}

/**
 * The need of each pack by its number; null for one that nothing needs. Every copy of a blob counts, as any of them
 * may be read.
 *
 * @param levels in any order; a level may hold what another holds too.
 */
export function needsOfPacks(index: BlobIndex, levels: readonly NeedLevel[]): (PackNeed | null)[] {
  const { table } = index;
  const needs: (PackNeed | null)[] = new Array(index.packCount()).fill(null);
  const total = table.count();
  for (const { need, used } of levels.toSorted((a, b) => orderOf(a.need) - orderOf(b.need))) {
    for (let entry = 0; entry < total; entry++) {
      if (!used.has(table.firstCopyOf(entry))) continue;
      const pack = table.packOf(entry);
      if (pack < needs.length) needs[pack] ??= need;
    }
  }
  return needs;
}

/** Hot needs count before cold ones; what has no tier counts last, and only where nothing else needs the pack. */
function orderOf(need: PackNeed): number {
  return need === 'unplaced' ? Number.POSITIVE_INFINITY : rankOf(need);
}

export interface NeedEvents {
  readonly signal?: AbortSignal;
  readonly onTrees?: (number: number) => void;
}

/** Walks the trees of all snapshots, the hottest first. @throws LifeboatError `repository-damaged`. */
export async function findNeeds(
  repository: Repository,
  index: BlobIndex,
  decisions: readonly TierDecision[],
  { signal, onTrees }: NeedEvents = {},
): Promise<(PackNeed | null)[]> {
  const trees = new Map<PackNeed, Id[]>();
  for (const { snapshot, class: storageClass } of decisions) {
    if (snapshot.tree === undefined)
      throw new LifeboatError(
        'repository-damaged',
        `snapshot ${snapshot.id} has no tree; nothing was changed`,
      );
    const need = storageClass ?? 'unplaced';
    const list = trees.get(need);
    if (list) list.push(snapshot.tree);
    else trees.set(need, [snapshot.tree]);
  }
  const pool = openPool(repository, { table: index.table.memory });
  try {
    const levels: NeedLevel[] = [];
    const used = createEntrySet(index.table.count());
    // What a hotter snapshot needs is not looked at again for a colder one.
    for (const need of [...trees.keys()].sort((a, b) => orderOf(a) - orderOf(b))) {
      await findUsedBlobs(repository, index, pool, trees.get(need)!, {
        used,
        ...(signal ? { signal } : {}),
        ...(onTrees ? { onTrees } : {}),
      });
      const soFar = createEntrySet(index.table.count());
      used.eachNotIn(soFar, (entry) => soFar.add(entry));
      levels.push({ need, used: soFar });
    }
    return needsOfPacks(index, levels);
  } finally {
    await pool.close();
  }
}
