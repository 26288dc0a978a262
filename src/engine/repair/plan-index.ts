import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { planIndexRewrite } from '../../repository/index/rewrite.ts';
import { type ListedFile, listFiles, type Repository } from '../../repository/repository.ts';
import { findRepeatedPacks } from '../check/index-files.ts';
import { groupByPack } from '../check/indexed-packs.ts';

/** Why a pack's own header is read to index it anew. */
export type ReadReason = 'not-indexed' | 'wrong-size' | 'described-differently' | 'asked';

export interface PackToRead extends ListedFile {
  readonly reason: ReadReason;
}

/** What `repair index` will do (restic internal/repository/repair_index.go). */
export interface IndexRepairPlan {
  /** Index files that cannot be read, with the reason. */
  readonly damagedFiles: readonly { readonly id: Id; readonly message: string }[];
  /** Packs that the index names and that are not there. */
  readonly missingPacks: readonly Id[];
  readonly packsToRead: readonly PackToRead[];
  /** Index files that new ones take the place of. */
  readonly obsoleteFiles: readonly Id[];
  /** Packs whose description is copied from the obsolete files. */
  readonly packsToKeep: readonly Id[];
}

export interface PreparedIndexRepair {
  readonly plan: IndexRepairPlan;
  readonly index: BlobIndex;
}

/**
 * Compares the index with the packs that are there. Changes nothing.
 * @param readAllPacks trust no index file: read every pack's header.
 */
export async function prepareIndexRepair(
  repository: Repository,
  readAllPacks: boolean,
): Promise<PreparedIndexRepair> {
  const index = await loadIndex(repository, { tolerant: true });
  const packs = groupByPack(index);
  const numbers = new Map<Id, number>();
  for (let number = 0; number < packs.count; number++)
    if (packs.entries(number).length > 0) numbers.set(packs.id(number), number);

  const repeated = await findRepeatedPacks(repository, index);
  const contradictory = new Set(repeated.filter(({ agree }) => !agree).map(({ id }) => id));
  const packsToRead: PackToRead[] = [];
  const missing = new Map(numbers);
  for (const file of await listFiles(repository.storage, 'data')) {
    missing.delete(file.id);
    const number = numbers.get(file.id);
    const reason =
      number === undefined
        ? 'not-indexed'
        : packs.bytes(number) !== file.size
          ? 'wrong-size'
          : contradictory.has(file.id)
            ? 'described-differently'
            : readAllPacks
              ? 'asked'
              : null;
    if (reason) packsToRead.push({ ...file, reason });
  }

  // Packs without blobs are named by index files too; they are left out like missing ones.
  const empty = Array.from({ length: packs.count }, (_, number) => number).filter(
    (number) => packs.entries(number).length === 0,
  );
  const known = packsToRead.map(({ id }) => numbers.get(id)).filter((number) => number !== undefined);
  const leaveOut = new Set([...missing.values(), ...known, ...empty]);
  const changes = leaveOut.size > 0 || repeated.length > 0 || index.broken.size > 0 || packsToRead.length > 0;
  const rewrite = changes ? planIndexRewrite(index, leaveOut) : { files: [], packs: [] };
  return {
    index,
    plan: {
      damagedFiles: [...index.broken].map(([id, error]) => ({ id, message: messageOf(error) })),
      missingPacks: [...missing.keys()],
      packsToRead,
      obsoleteFiles: [...index.broken.keys(), ...rewrite.files],
      packsToKeep: rewrite.packs.map(index.packId),
    },
  };
}
