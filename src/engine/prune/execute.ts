import { LifeboatError, messageOf } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { entriesOf, planIndexRewrite, rewriteIndex } from '../../repository/index/rewrite.ts';
import { keyOf } from '../../repository/layout.ts';
import type { PackedBlob } from '../../repository/pack.ts';
import { packSourceOf } from '../../repository/pack-source.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import type { PrunePlan } from './plan.ts';

export type PruneStep = 'unreferenced' | 'repack' | 'index' | 'remove';

export interface PruneEvents {
  /** A step begins that has this many packs (or index files) to do. */
  readonly onStep?: (step: PruneStep, total: number) => void;
  readonly onDone?: (step: PruneStep, number: number) => void;
  /** A pack could not be deleted. It does no harm: the next prune tries again. */
  readonly onLeftOver?: (pack: Id, error: unknown) => void;
}

export interface PruneSettings {
  readonly signal?: AbortSignal;
  readonly events?: PruneEvents;
  readonly packBytes?: number;
  readonly compression?: Compression;
}

export interface PruneReport {
  readonly packsRepacked: number;
  readonly packsRemoved: number;
  /** Packs that should be gone and could not be deleted. */
  readonly leftOver: readonly Id[];
}

/**
 * Carries out a plan under an exclusive lock, in the order in which a crash at any moment leaves a sound
 * repository: unreferenced packs go; blobs are brought to new packs and an index of them is written; index
 * files without the old packs are written; the old index files go; last the old packs.
 * @throws LifeboatError `repository-damaged` where a blob in use cannot be read: then nothing in use was removed.
 */
export async function executePrune(
  repository: Repository,
  index: BlobIndex,
  plan: PrunePlan,
  { signal, events = {}, packBytes, compression }: PruneSettings = {},
): Promise<PruneReport> {
  const leftOver: Id[] = [];
  let packsRemoved = 0;
  const removePacks = async (step: PruneStep, packs: readonly Id[]): Promise<void> => {
    if (packs.length === 0) return;
    events.onStep?.(step, packs.length);
    const waiting = [...packs];
    const { storage } = repository;
    const removeOne = async (id: Id): Promise<void> => {
      try {
        await storage.remove(keyOf('data', id));
        packsRemoved++;
      } catch (error) {
        // A pack too many is no damage, so the others go on.
        leftOver.push(id);
        events.onLeftOver?.(id, error);
      }
      events.onDone?.(step, 1);
    };
    await runBounded(
      storage.connections,
      () => {
        const id = waiting.pop();
        return id === undefined ? null : removeOne(id);
      },
      signal,
    );
  };

  await removePacks('unreferenced', plan.unreferenced);
  if (plan.repack.length > 0) {
    const store = openBlobStore(repository, index, {
      ...(packBytes === undefined ? {} : { packBytes }),
      ...(compression === undefined ? {} : { compression }),
    });
    try {
      await transferBlobs(repository, index, store, plan, signal, events);
      await store.finish();
    } finally {
      await store.close();
    }
  }
  const obsolete = [...plan.remove, ...plan.repack];
  if (obsolete.length > 0 || plan.forget.length > 0) {
    signal?.throwIfAborted();
    const rewrite = planIndexRewrite(index, new Set([...obsolete, ...plan.forget]));
    events.onStep?.('index', rewrite.files.length);
    await rewriteIndex(repository, index, rewrite, signal);
    events.onDone?.('index', rewrite.files.length);
  }
  await removePacks('remove', obsolete.map(index.packId));
  return { packsRepacked: plan.repack.length, packsRemoved, leftOver };
}

async function transferBlobs(
  repository: Repository,
  index: BlobIndex,
  store: BlobStore,
  { repack, transfer }: PrunePlan,
  signal: AbortSignal | undefined,
  events: PruneEvents,
): Promise<void> {
  events.onStep?.('repack', repack.length);
  const entries = entriesOf(index, repack, transfer.has);
  let stored = 0;

  async function transferFrom(
    pack: number,
    wanted: Int32Array,
  ): Promise<readonly { blob: PackedBlob; message: string }[]> {
    const packName = index.packId(pack);
    const source = await packSourceOf(repository.storage, keyOf('data', packName), index.table, wanted);
    const blobs = Array.from(wanted, index.blobAt);
    const outcome = await store.transfer({ source, packName, blobs, foreign: null });
    stored += outcome.stored.blobs;
    return outcome.problems;
  }

  /** A damaged copy does not matter where another pack has an intact one. */
  async function transferElsewhere(
    { type, id }: PackedBlob,
    damagedIn: number,
    message: string,
  ): Promise<void> {
    const idBytes = Buffer.from(id, 'hex');
    let problem = message;
    for (const entry of index.table.findAll(type, idBytes)) {
      const pack = index.table.packOf(entry);
      if (pack === damagedIn || pack >= index.packCount()) continue;
      const [failed] = await transferFrom(pack, Int32Array.of(entry)).catch((error: unknown) => [
        { message: messageOf(error) },
      ]);
      if (!failed) return;
      problem = failed.message;
    }
    throw new LifeboatError(
      'repository-damaged',
      `${type} blob ${id} in pack ${index.packId(damagedIn)} is in use and cannot be read: ${problem}; nothing in use was removed`,
    );
  }

  async function repackOne(pack: number): Promise<void> {
    const wanted = entries.get(pack);
    if (wanted.length > 0)
      for (const { blob, message } of await transferFrom(pack, wanted))
        await transferElsewhere(blob, pack, message);
    events.onDone?.('repack', 1);
  }

  const waiting = repack.toSorted((a, b) => b - a);
  await runBounded(
    store.pool.size * 2,
    () => {
      const pack = waiting.pop();
      return pack === undefined ? null : repackOne(pack);
    },
    signal,
  );
  const expected = transfer.size();
  if (stored !== expected)
    throw new LifeboatError(
      'internal',
      `${expected} blobs were to be repacked, but ${stored} were; nothing was removed`,
    );
}
