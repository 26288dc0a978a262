import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import type { Repository } from '../../repository/repository.ts';
import { saveSnapshot } from '../../repository/snapshots.ts';
import { packBytesDefault } from '../../repository/workers/pool.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';
import { transferBlobs } from '../transfer/transfer-blobs.ts';
import { copiedSnapshot } from './select.ts';

/** Snapshots are saved each time that this many packs' worth of data has been copied. */
const packsPerBatch = 100;

export interface CopyEvents {
  /** A snapshot's blobs are known: how many are not in the destination, in how many packs. */
  readonly onSnapshot?: (snapshot: StoredSnapshot, blobs: number, bytes: number, packs: number) => void;
  /** Packs of the next batch are about to be read. */
  readonly onPacks?: (total: number) => void;
  readonly onPack?: () => void;
  /** A batch's packs have all been read. */
  readonly onPacksEnd?: () => void;
  readonly onSaved?: (source: StoredSnapshot, copy: Id) => void;
}

export interface CopySettings {
  readonly signal?: AbortSignal;
  readonly events?: CopyEvents;
  readonly compression?: Compression;
  readonly packBytes?: number;
}

/** Source and destination with their indexes: what `copySnapshots` works on. */
interface Copying {
  readonly source: Repository;
  readonly index: BlobIndex;
  readonly store: BlobStore;
  readonly events: CopyEvents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copies snapshots with all that they refer to and the destination lacks. A snapshot is saved when everything
 * in it is durable; a run that is stopped loses nothing of what was stored, and the next one goes on from there.
 * @throws LifeboatError `repository-damaged` where a blob of the source cannot be read.
 */
export async function copySnapshots(
  source: Repository,
  destination: Repository,
  snapshots: readonly StoredSnapshot[],
  { signal, events = {}, compression, packBytes = packBytesDefault }: CopySettings = {},
): Promise<void> {
  const index = await loadIndex(source);
  const store = openBlobStore(destination, await loadIndex(destination), {
    packBytes,
    ...(compression === undefined ? {} : { compression }),
  });
  const copying: Copying = { source, index, store, events, signal };
  try {
    const seen = createEntrySet(index.table.count());
    const done = createEntrySet(index.table.count());
    let batch: StoredSnapshot[] = [];
    let wanted = createEntrySet(index.table.count());
    let bytes = 0;
    for (const [position, snapshot] of snapshots.entries()) {
      bytes += await addWanted(copying, snapshot, seen, done, wanted);
      batch.push(snapshot);
      if (bytes < packBytes * packsPerBatch && position + 1 < snapshots.length) continue;
      const packs = packsOf(index, wanted);
      if (packs.size > 0) {
        events.onPacks?.(packs.size);
        const onPack = events.onPack;
        await transferBlobs({
          from: source,
          index,
          wanted,
          packs,
          store,
          foreign: true,
          consequence: 'the snapshots with it were not copied',
          signal,
          onPack,
        });
        events.onPacksEnd?.();
      }
      await store.finish();
      for (const each of batch) {
        const copy = await saveSnapshot(destination, copiedSnapshot(each));
        events.onSaved?.(each, copy);
      }
      batch = [];
      wanted = createEntrySet(index.table.count());
      bytes = 0;
    }
  } finally {
    await store.close();
  }
}

/** Adds the blobs that a snapshot needs and the destination lacks. Returns their stored bytes. */
async function addWanted(
  { source, index, store, events, signal }: Copying,
  snapshot: StoredSnapshot,
  seen: EntrySet,
  done: EntrySet,
  wanted: EntrySet,
): Promise<number> {
  if (snapshot.tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${snapshot.id} has no tree and cannot be copied`);
  await findUsedBlobs(source, index, store.pool, [snapshot.tree], {
    used: seen,
    foreignPool: true,
    ...(signal ? { signal } : {}),
  });
  const { table } = index;
  const id = Buffer.alloc(32);
  const packs = new Set<number>();
  let blobs = 0;
  let bytes = 0;
  seen.eachNotIn(done, (entry) => {
    done.add(entry);
    table.copyId(entry, id);
    if (store.index.table.find(table.typeOf(entry), id) >= 0) return;
    wanted.add(entry);
    packs.add(table.packOf(entry));
    blobs++;
    bytes += table.lengthOf(entry);
  });
  events.onSnapshot?.(snapshot, blobs, bytes, packs.size);
  return bytes;
}

function packsOf({ table }: BlobIndex, entries: EntrySet): Set<number> {
  const packs = new Set<number>();
  entries.eachNotIn(createEntrySet(table.count()), (entry) => packs.add(table.packOf(entry)));
  return packs;
}
