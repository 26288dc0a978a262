import { LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import { openBlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { planIndexRewrite, rewriteIndex } from '../../repository/index/rewrite.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { transferBlobs } from '../transfer/transfer-blobs.ts';
import { type LockedPacks, type PackLocks, packLocks, summedUpLocks } from './pack-locks.ts';
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
  /** As the plan was made with; absent: nothing is locked. */
  readonly locks?: PackLocks;
}

export interface PruneReport {
  readonly packsRepacked: number;
  readonly packsRemoved: number;
  /** Packs that should be gone and could not be deleted. */
  readonly leftOver: readonly Id[];
  /** Packs that nothing needs and that stay until their time has come, with those of the plan. */
  readonly locked: LockedPacks;
}

/** What was begun longer ago and is not finished was killed. */
const unfinishedAgeMs = 24 * 60 * 60_000;

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
  { signal, events = {}, packBytes, compression, locks = packLocks(repository.storage) }: PruneSettings = {},
): Promise<PruneReport> {
  const leftOver: Id[] = [];
  const locked = new Map(plan.locked.map((file) => [file.id, file]));
  let packsRemoved = 0;
  const removePacks = async (step: PruneStep, packs: readonly Id[]): Promise<void> => {
    if (packs.length === 0) return;
    events.onStep?.(step, packs.length);
    const waiting = [...packs];
    const { storage } = repository;
    const removeOne = async (id: Id): Promise<void> => {
      try {
        // Its time may have come since the plan was made.
        if (!locks.isLocked(id)) {
          await locks.remove(id);
          locked.delete(id);
          packsRemoved++;
        }
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
      events.onStep?.('repack', plan.repack.length);
      const stored = await transferBlobs({
        from: repository,
        index,
        wanted: plan.transfer,
        packs: plan.repack,
        store,
        foreign: false,
        consequence: 'nothing in use was removed',
        signal,
        onPack: () => events.onDone?.('repack', 1),
      });
      const expected = plan.transfer.size();
      if (stored !== expected)
        throw new LifeboatError(
          'internal',
          `${expected} blobs were to be repacked, but ${stored} were; nothing was removed`,
        );
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
  // No other process writes now, but journals need no lock: what a living one began today stays.
  await repository.storage.sweep?.(unfinishedAgeMs).catch(() => undefined); // takes room, and does no harm
  return {
    packsRepacked: plan.repack.length,
    packsRemoved,
    leftOver,
    locked: summedUpLocks([...locked.values()], locks),
  };
}
