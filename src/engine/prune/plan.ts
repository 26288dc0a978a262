import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import type { ListedFile } from '../../repository/repository.ts';
import { choosePacks, smallBelowBytes } from './choose-packs.ts';
import type { PruneOptions } from './options.ts';
import type { PackLocks } from './pack-locks.ts';
import { measurePacks } from './pack-usage.ts';
import { emptyStats, type PruneStats, sumUp } from './stats.ts';

/** All that a prune will do. `--dry-run` shows it, execution takes it. */
export interface PrunePlan {
  /** Packs that no index file names: the rest of interrupted runs. They go first. */
  readonly unreferenced: readonly Id[];
  /** Packs whose used blobs go to new packs, by number in the index; afterwards they are deleted. */
  readonly repack: readonly number[];
  /** Entries of the blobs to bring to new packs, one for each blob. */
  readonly transfer: EntrySet;
  /** Packs without anything in use. */
  readonly remove: readonly number[];
  /** Packs that the index names and that are gone, without anything in use in them. */
  readonly forget: readonly number[];
  /**
   * Packs that nothing will need and that cannot be deleted before their time. Those without anything in use stay in
   * the index; those that are repacked do not, and the prune after their time finds them unreferenced.
   */
  readonly locked: readonly ListedFile[];
  readonly stats: PruneStats;
}

export interface PruneState {
  readonly index: BlobIndex;
  /** First entries (`firstCopyOf`) of all blobs that snapshots refer to. */
  readonly used: EntrySet;
  /** All packs in the storage. */
  readonly packs: readonly ListedFile[];
  readonly version: 1 | 2;
  /** What is known of packs that cannot be deleted; absent: all can. */
  readonly locks?: Pick<PackLocks, 'isLocked' | 'isHeld'>;
}

const noLocks = { isLocked: () => false, isHeld: () => false };

/**
 * Decides which packs stay, are repacked or go, as restic does (internal/repository/prune.go). Changes nothing.
 * @throws LifeboatError `repository-damaged` where a pack that is needed is missing or has another size than
 * the index says.
 */
export function planPrune(state: PruneState, options: PruneOptions): PrunePlan {
  const { index, packs, version, locks = noLocks } = state;
  const stats = emptyStats();
  const usage = measurePacks(index, state.used, stats);
  const { usedBlobs, unusedBlobs, usedBytes, unusedBytes } = usage;
  const sizeOf = (pack: number): number => usedBytes[pack]! + unusedBytes[pack]!;

  const unreferenced: Id[] = [];
  const lockedFiles: ListedFile[] = [];
  const stored: number[] = [];
  const present = new Uint8Array(index.packCount());
  for (const { id, size } of packs) {
    const pack = index.knownPackNumber(id);
    if (pack === null && locks.isLocked(id)) {
      lockedFiles.push({ id, size });
      continue;
    }
    if (pack === null) {
      unreferenced.push(id);
      stats.bytes.unreferenced += size;
      continue;
    }
    if (sizeOf(pack) !== size && usedBlobs[pack]! > 0) {
      throw new LifeboatError(
        'repository-damaged',
        `pack ${id} has ${size} bytes where the index says ${sizeOf(pack)}; nothing was removed`,
        { hint: 'run `lifeboat repair index`, then prune again' },
      );
    }
    present[pack] = 1;
    stored.push(pack);
  }

  const forget: number[] = [];
  const missing: Id[] = [];
  for (let pack = 0; pack < present.length; pack++) {
    if (present[pack] === 1) continue;
    if (usedBlobs[pack]! > 0) {
      missing.push(index.packId(pack));
      continue;
    }
    forget.push(pack);
    stats.blobs.remove += unusedBlobs[pack]!;
    stats.bytes.remove += unusedBytes[pack]!;
  }
  if (missing.length > 0) {
    throw new LifeboatError(
      'repository-damaged',
      `${missing.length} packs that snapshots need are missing: ${someOf(missing)}; nothing was removed`,
      {
        hint: 'in a bucket that keeps versions `lifeboat repair undelete` brings back what was deleted; what cannot be brought back, `lifeboat repair index` takes out',
      },
    );
  }

  const smallBelow = smallBelowBytes(stored.map(sizeOf), options);
  const { repack, remove, locked } = choosePacks(stored, usage, version, smallBelow, options, stats, {
    isLocked: (pack) => locks.isLocked(index.packId(pack)),
    isHeld: (pack) => locks.isHeld(index.packId(pack)),
  });
  for (const pack of [...locked, ...repack]) {
    const id = index.packId(pack);
    if (locks.isLocked(id)) lockedFiles.push({ id, size: sizeOf(pack) });
  }
  stats.packfiles.unreferenced = unreferenced.length;
  sumUp(stats);
  return {
    unreferenced,
    repack,
    transfer: blobsToTransfer(state, repack, [...remove, ...forget]),
    remove,
    forget,
    locked: lockedFiles,
    stats,
  };
}

function someOf(ids: readonly Id[]): string {
  const shown = ids.slice(0, 5).join(', ');
  return ids.length > 5 ? `${shown} and ${ids.length - 5} more` : shown;
}

/** One entry for each used blob that no pack which stays has. */
function blobsToTransfer(
  { index, used }: PruneState,
  repack: readonly number[],
  gone: readonly number[],
): EntrySet {
  const { table } = index;
  const total = table.count();
  const transfer = createEntrySet(repack.length > 0 ? total : 0);
  if (repack.length === 0) return transfer;
  const stays = 0;
  const repacked = 1;
  const goes = 2;
  const fate = new Uint8Array(index.packCount());
  for (const pack of repack) fate[pack] = repacked;
  for (const pack of gone) fate[pack] = goes;
  /** First entries of blobs that stay where they are, or that have been chosen. */
  const placed = createEntrySet(total);
  for (let entry = 0; entry < total; entry++)
    if (fate[table.packOf(entry)] === stays) placed.add(table.firstCopyOf(entry));
  for (let entry = 0; entry < total; entry++) {
    if (fate[table.packOf(entry)] !== repacked) continue;
    const first = table.firstCopyOf(entry);
    if (used.has(first) && placed.add(first)) transfer.add(entry);
  }
  return transfer;
}
