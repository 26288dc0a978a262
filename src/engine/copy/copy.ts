import { hasCode, LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import { entriesOf } from '../../repository/index/rewrite.ts';
import { keyOf } from '../../repository/layout.ts';
import type { PackedBlob } from '../../repository/pack.ts';
import { packSourceOf } from '../../repository/pack-source.ts';
import type { Repository } from '../../repository/repository.ts';
import { saveSnapshot } from '../../repository/snapshots.ts';
import { packBytesDefault } from '../../repository/workers/pool.ts';
import type { BlobProblem, Compression } from '../../repository/workers/protocol.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';
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
      await transferBlobs(copying, wanted);
      await store.finish();
      for (const each of batch) events.onSaved?.(each, await saveSnapshot(destination, copiedSnapshot(each)));
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

async function transferBlobs(
  { source, index, store, events, signal }: Copying,
  wanted: EntrySet,
): Promise<void> {
  const { table } = index;
  const packs = new Set<number>();
  wanted.eachNotIn(createEntrySet(table.count()), (entry) => packs.add(table.packOf(entry)));
  if (packs.size === 0) return;
  const entries = entriesOf(index, packs, wanted.has);
  events.onPacks?.(packs.size);

  async function transferFrom(pack: number, part: Int32Array): Promise<readonly BlobProblem[]> {
    const packName = index.packId(pack);
    const bytes = await packSourceOf(source.storage, keyOf('data', packName), table, part);
    const blobs = Array.from(part, index.blobAt);
    return (await store.transfer({ source: bytes, packName, blobs, foreign: { key: source.master } }))
      .problems;
  }

  /** A damaged copy does not matter where another pack of the source has an intact one. */
  async function transferElsewhere(
    { type, id }: PackedBlob,
    damagedIn: number,
    message: string,
  ): Promise<void> {
    for (const entry of table.findAll(type, Buffer.from(id, 'hex'))) {
      const pack = table.packOf(entry);
      if (pack === damagedIn) continue;
      try {
        if ((await transferFrom(pack, Int32Array.of(entry))).length === 0) return;
      } catch (error) {
        // The pack may be gone as well; another one may have the blob.
        if (!hasCode(error, 'storage-missing-file', 'internal')) throw error;
      }
    }
    throw new LifeboatError(
      'repository-damaged',
      `${type} blob ${id} of the source cannot be read from pack ${index.packId(damagedIn)}: ${message}`,
    );
  }

  async function copyPack(pack: number): Promise<void> {
    for (const { blob, message } of await transferFrom(pack, entries.get(pack)))
      await transferElsewhere(blob, pack, message);
    events.onPack?.();
  }

  const waiting = [...packs].sort((a, b) => b - a);
  await runBounded(
    store.pool.size * 2,
    () => {
      const pack = waiting.pop();
      return pack === undefined ? null : copyPack(pack);
    },
    signal,
  );
  events.onPacksEnd?.();
}
