import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { saveSnapshot } from '../../repository/snapshots.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { copiedSnapshot } from './select.ts';

/** A repository that snapshots are copied to. */
export interface CopyTarget {
  readonly name: string;
  readonly repository: Repository;
  /** Those it lacks, oldest first. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Aborts when its lock is lost; then only this target fails. */
  readonly signal?: AbortSignal;
}

/** What became of a target. */
export interface CopyOutcome {
  readonly name: string;
  readonly copied: readonly { readonly source: StoredSnapshot; readonly copy: Id }[];
  readonly packs: number;
  /** Bytes of new blobs as stored. */
  readonly packedBytes: number;
  /** Why it did not get all, or null. */
  readonly failure: unknown;
}

/** A target under way. Once it has failed it takes no more; the others go on. */
export interface Lane {
  readonly target: CopyTarget;
  readonly store: BlobStore;
  failure(): unknown;
  /** Runs a step unless the lane has failed; a failure of the step is the lane's. @returns null where it failed. */
  attempt<T>(step: () => Promise<T>): Promise<T | null>;
  /** Makes durable what was transferred, then saves the snapshots. */
  save(
    snapshots: readonly StoredSnapshot[],
    onSaved: (source: StoredSnapshot, copy: Id) => void,
  ): Promise<void>;
  /** Ends its threads. What is stored but in no index file yet is noted there, so that the next run finds it. */
  close(): Promise<CopyOutcome>;
}

export interface LaneSettings {
  readonly compression?: Compression;
  readonly packBytes: number;
  readonly workers?: number;
}

/** What a killed copy had stored is found again by the index: no more than this is stored a second time. */
const indexEveryMs = 30_000;

export async function openLane(target: CopyTarget, settings: LaneSettings): Promise<Lane> {
  const { repository, signal } = target;
  let packs = 0;
  const store = openBlobStore(repository, await loadIndex(repository), {
    ...settings,
    indexEveryMs,
    onStored: () => packs++,
  });
  const copied: { source: StoredSnapshot; copy: Id }[] = [];
  let failure: unknown = null;

  async function attempt<T>(step: () => Promise<T>): Promise<T | null> {
    if (failure === null && signal?.aborted) failure = signal.reason;
    if (failure !== null) return null;
    try {
      return await step();
    } catch (error) {
      failure ??= error;
      return null;
    }
  }

  return {
    target,
    store,
    failure: () => failure,
    attempt,
    async save(snapshots, onSaved) {
      await attempt(async () => {
        await store.finish();
        for (const source of snapshots) {
          const copy = await saveSnapshot(repository, copiedSnapshot(source));
          copied.push({ source, copy });
          onSaved(source, copy);
        }
      });
    },
    async close() {
      const { packedBytes } = store.totals();
      // Whatever keeps the index from being written now has been told already, as the failure of this target.
      await store.keepStored().catch((error: unknown) => {
        failure ??= error;
      });
      return { name: target.name, copied, packs, packedBytes, failure };
    },
  };
}
