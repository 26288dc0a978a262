import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool, packBytesDefault, type WorkerPool } from '../../repository/workers/pool.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { threadsDefault } from '../../repository/workers/threads.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';
import { transferBlobs } from '../transfer/transfer-blobs.ts';
import { storeOfAll } from './fan-out.ts';
import { type CopyOutcome, type CopyTarget, type Lane, openLane } from './lanes.ts';

/** Snapshots are saved each time that this many packs' worth of data has been copied. */
const packsPerBatch = 100;

export interface CopyEvents {
  /** A snapshot's blobs are known: how many a target lacks, in how many packs. */
  readonly onSnapshot?: (snapshot: StoredSnapshot, blobs: number, bytes: number, packs: number) => void;
  /** Packs of the next batch are about to be read. */
  readonly onPacks?: (total: number) => void;
  readonly onPack?: () => void;
  /** A batch's packs have all been read. */
  readonly onPacksEnd?: () => void;
  readonly onSaved?: (source: StoredSnapshot, copy: Id, target: string) => void;
}

export interface CopySettings {
  readonly signal?: AbortSignal;
  readonly events?: CopyEvents;
  readonly compression?: Compression;
  readonly packBytes?: number;
}

/** What is read, and by whom. */
interface Reading {
  readonly source: Repository;
  readonly index: BlobIndex;
  /** Marks which blobs snapshots need. */
  readonly marking: { readonly pool: WorkerPool; readonly foreign: boolean };
  readonly lanes: readonly Lane[];
  readonly packBytes: number;
  readonly events: CopyEvents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copies snapshots with all that they refer to and the targets lack. The source is read once for all targets that
 * lack the same. A snapshot is saved when everything in it is durable; a run that is stopped loses nothing of what
 * was stored, and the next one goes on from there.
 *
 * A target that fails does not keep the others from getting theirs: its outcome has the failure.
 * @throws LifeboatError `repository-damaged` where a blob of the source cannot be read; other errors of the source.
 */
export async function copyToTargets(
  source: Repository,
  targets: readonly CopyTarget[],
  { signal, events = {}, compression, packBytes = packBytesDefault }: CopySettings = {},
): Promise<CopyOutcome[]> {
  const wanting = targets.filter(({ snapshots }) => snapshots.length > 0);
  const settings = {
    packBytes,
    ...(compression === undefined ? {} : { compression }),
    // Several targets share the processors, and the memory that each thread needs for its packs.
    ...(wanting.length > 1 ? { workers: Math.max(1, Math.ceil(threadsDefault() / wanting.length)) } : {}),
  };
  const [index, ...lanes] = await Promise.all([
    settled(loadIndex(source)),
    ...wanting.map((each) => settled(openLane(each, settings))),
  ]);
  const open = lanes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const outcomes = new Map(
    targets.map((target): [CopyTarget, CopyOutcome] => {
      const lane = lanes[wanting.indexOf(target)];
      const failure = lane?.status === 'rejected' ? lane.reason : null;
      return [target, { name: target.name, copied: [], packs: 0, packedBytes: 0, failure }];
    }),
  );
  // The workers of the only target also read the source's trees; of several, none may end that for the others.
  const own = open.length > 1 ? openPool(source) : null;
  try {
    if (index.status === 'rejected') throw index.reason;
    const reading = { source, index: index.value, packBytes, events, signal };
    for (const { snapshots, wanted } of bySameLack(open)) {
      const marking = own ? { pool: own, foreign: false } : { pool: wanted[0]!.store.pool, foreign: true };
      await copyAlike({ ...reading, lanes: wanted, marking }, snapshots);
    }
  } finally {
    await own?.close();
    for (const lane of open) outcomes.set(lane.target, await lane.close());
  }
  return [...outcomes.values()];
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise]);
  return result;
}

/** To one target. @throws as `copyToTargets`, and the failure of the target. */
export async function copySnapshots(
  source: Repository,
  destination: Repository,
  snapshots: readonly StoredSnapshot[],
  settings: CopySettings = {},
): Promise<CopyOutcome> {
  const target = { name: destination.storage.location, repository: destination, snapshots };
  const [outcome] = await copyToTargets(source, [target], settings);
  if (outcome!.failure !== null) throw outcome!.failure;
  return outcome!;
}

/** Snapshots that the same targets lack, together: of those, every blob that one lacks is for all. */
function bySameLack(
  lanes: readonly Lane[],
): { readonly snapshots: readonly StoredSnapshot[]; readonly wanted: readonly Lane[] }[] {
  const groups = new Map<string, { snapshots: StoredSnapshot[]; wanted: Lane[] }>();
  const snapshots = new Map<Id, StoredSnapshot>();
  for (const { target } of lanes) for (const each of target.snapshots) snapshots.set(each.id, each);
  for (const snapshot of snapshots.values()) {
    const wanted = lanes.filter(({ target }) => target.snapshots.some(({ id }) => id === snapshot.id));
    const key = wanted.map((lane) => lanes.indexOf(lane)).join();
    const group = groups.get(key) ?? { snapshots: [], wanted };
    groups.set(key, group);
    group.snapshots.push(snapshot);
  }
  return [...groups.values()];
}

async function copyAlike(reading: Reading, snapshots: readonly StoredSnapshot[]): Promise<void> {
  const { index, lanes, packBytes, events, signal } = reading;
  const seen = createEntrySet(index.table.count());
  const done = createEntrySet(index.table.count());
  let batch: StoredSnapshot[] = [];
  let wanted = createEntrySet(index.table.count());
  let bytes = 0;
  for (const [position, snapshot] of snapshots.entries()) {
    if (lanes.every((lane) => lane.failure() !== null)) return;
    signal?.throwIfAborted();
    bytes += await addWanted(reading, snapshot, seen, done, wanted);
    batch.push(snapshot);
    if (bytes < packBytes * packsPerBatch && position + 1 < snapshots.length) continue;
    await transferAll(reading, wanted);
    await Promise.all(
      lanes.map((lane) =>
        lane.save(batch, (source, copy) => events.onSaved?.(source, copy, lane.target.name)),
      ),
    );
    batch = [];
    wanted = createEntrySet(index.table.count());
    bytes = 0;
  }
}

async function transferAll(
  { source, index, lanes, events, signal }: Reading,
  wanted: EntrySet,
): Promise<void> {
  const packs = packsOf(index, wanted);
  if (packs.size === 0) return;
  events.onPacks?.(packs.size);
  const onPack = events.onPack;
  const store = storeOfAll(lanes);
  try {
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
  } catch (error) {
    // Where all targets have failed, each has its own failure to tell.
    if (error !== store.allFailed()) throw error;
  } finally {
    events.onPacksEnd?.();
  }
}

/** Adds the blobs that a snapshot needs and a target lacks. Returns their stored bytes. */
async function addWanted(
  { source, index, marking, lanes, events, signal }: Reading,
  snapshot: StoredSnapshot,
  seen: EntrySet,
  done: EntrySet,
  wanted: EntrySet,
): Promise<number> {
  if (snapshot.tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${snapshot.id} has no tree and cannot be copied`);
  await findUsedBlobs(source, index, marking.pool, [snapshot.tree], {
    used: seen,
    foreignPool: marking.foreign,
    ...(signal ? { signal } : {}),
  });
  const { table } = index;
  const id = Buffer.alloc(32);
  const packs = new Set<number>();
  let blobs = 0;
  let bytes = 0;
  const tables = lanes.filter((lane) => lane.failure() === null).map(({ store }) => store.index.table);
  seen.eachNotIn(done, (entry) => {
    done.add(entry);
    table.copyId(entry, id);
    const type = table.typeOf(entry);
    if (tables.every((there) => there.find(type, id) >= 0)) return;
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
