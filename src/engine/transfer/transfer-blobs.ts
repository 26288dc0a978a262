import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { EntrySet } from '../../repository/index/entry-set.ts';
import { entriesOf } from '../../repository/index/rewrite.ts';
import { keyOf } from '../../repository/layout.ts';
import type { PackedBlob } from '../../repository/pack.ts';
import { packSourceOf } from '../../repository/pack-source.ts';
import type { Repository } from '../../repository/repository.ts';
import type { BlobProblem } from '../../repository/workers/protocol.ts';

/** What takes the blobs: a store, or several as one. */
export interface TransferStore extends Pick<BlobStore, 'transfer'> {
  readonly pool: Pick<BlobStore['pool'], 'size'>;
}

export interface Transfer {
  readonly from: Repository;
  /** Index of `from`. */
  readonly index: BlobIndex;
  /** Entries of the blobs to bring over; what is in them is read from these places first. */
  readonly wanted: EntrySet;
  /** Numbers of the packs that have them. */
  readonly packs: Iterable<number>;
  /** Where they go. */
  readonly store: TransferStore;
  /** Whether the store belongs to another repository, with another key. */
  readonly foreign: boolean;
  /** What it means where a blob cannot be read, for the error's message. */
  readonly consequence: string;
  readonly signal?: AbortSignal | undefined;
  readonly onPack?: (() => void) | undefined;
}

/**
 * Brings blobs into new packs, pack by pack on all workers. Nothing is durable before the store's `finish`.
 * @returns how many blobs were stored.
 * @throws LifeboatError `repository-damaged` where a blob has no intact copy; storage errors.
 */
export async function transferBlobs(transfer: Transfer): Promise<number> {
  const { from, index, store, foreign, signal } = transfer;
  const { table } = index;
  let stored = 0;

  async function transferFrom(pack: number, entries: Int32Array): Promise<readonly BlobProblem[]> {
    const packName = index.packId(pack);
    const blobs = Array.from(entries, index.blobAt);
    try {
      const source = await packSourceOf(from.storage, keyOf('data', packName), table, entries);
      const key = foreign ? { key: from.master } : null;
      const outcome = await store.transfer({ source, packName, blobs, foreign: key });
      stored += outcome.stored.blobs;
      return outcome.problems;
    } catch (error) {
      if (!hasCode(error, 'storage-missing-file')) throw error;
      return blobs.map((blob) => ({ blob, message: messageOf(error) }));
    }
  }

  /** A damaged copy does not matter where another pack has an intact one. */
  async function transferElsewhere({ type, id }: PackedBlob, damagedIn: number, why: string): Promise<void> {
    for (const entry of table.findAll(type, Buffer.from(id, 'hex'))) {
      const pack = table.packOf(entry);
      if (pack === damagedIn || pack >= index.packCount()) continue;
      if ((await transferFrom(pack, Int32Array.of(entry))).length === 0) return;
    }
    throw new LifeboatError(
      'repository-damaged',
      `${type} blob ${id} is in use and cannot be read from pack ${index.packId(damagedIn)} of ${from.storage.location}: ${why}; ${transfer.consequence}`,
    );
  }

  const packs = [...transfer.packs].sort((a, b) => b - a);
  const entries = entriesOf(index, packs, transfer.wanted.has);

  async function transferPack(pack: number): Promise<void> {
    const here = entries.get(pack);
    const problems = here.length === 0 ? [] : await transferFrom(pack, here);
    for (const { blob, message } of problems) await transferElsewhere(blob, pack, message);
    transfer.onPack?.();
  }

  await runBounded(
    // While some packs are worked on, as many are fetched as the storage has connections.
    Math.max(store.pool.size * 2, store.pool.size + from.storage.connections),
    () => {
      const pack = packs.pop();
      return pack === undefined ? null : transferPack(pack);
    },
    signal,
  );
  return stored;
}
