import type { Id } from '../../model/id.ts';
import { type ClassedObject, isArchiveClass } from '../../model/storage-class.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { idOfKey } from '../../repository/layout.ts';
import { type ListedFile, listFiles, type Repository } from '../../repository/repository.ts';
import { earlyDeletionCost } from '../cold/prices.ts';
import type { PrunePlan } from './plan.ts';

/** Packs in storage with their classes, where the storage has some: one list tells both. */
export interface ListedPacks {
  readonly files: readonly ListedFile[];
  /** Those that are not in STANDARD. */
  readonly cold: ReadonlyMap<Id, ClassedObject>;
}

export async function listPacks(storage: Repository['storage']): Promise<ListedPacks> {
  const { archive } = storage;
  if (!archive) return { files: await listFiles(storage, 'data'), cold: new Map() };
  const files: ListedFile[] = [];
  const cold = new Map<Id, ClassedObject>();
  for (const object of await archive.list('data/')) {
    const id = idOfKey(object.key);
    if (id === null) continue;
    files.push({ id, size: object.size });
    if (object.storageClass !== 'STANDARD') cold.set(id, object);
  }
  return { files, cold };
}

/** Packs that cannot be read before they are brought back, so that nothing in them can be repacked. */
export function isArchivedPack({ cold }: ListedPacks, id: Id): boolean {
  const object = cold.get(id);
  return object !== undefined && isArchiveClass(object.storageClass);
}

export interface EarlyDeletion {
  readonly packs: number;
  /** Dollars at least: how long an object has been in its class is not known, only how old it is. */
  readonly cost: number;
}

const dayMs = 86_400_000;

/** What is paid for packs that go before the least time of their class is over. */
export function earlyDeletionOf(
  { unreferenced, remove, repack }: PrunePlan,
  { packId }: BlobIndex,
  { cold }: ListedPacks,
  nowMs: number,
): EarlyDeletion {
  let packs = 0;
  let cost = 0;
  for (const id of [...unreferenced, ...remove.map(packId), ...repack.map(packId)]) {
    const object = cold.get(id);
    if (!object) continue;
    const paid = earlyDeletionCost(object.storageClass, object.size, (nowMs - object.modifiedMs) / dayMs);
    if (paid <= 0) continue;
    packs++;
    cost += paid;
  }
  return { packs, cost };
}
