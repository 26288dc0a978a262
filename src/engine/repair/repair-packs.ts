import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { entriesOf, planIndexRewrite, rewriteIndex } from '../../repository/index/rewrite.ts';
import { keyOf } from '../../repository/layout.ts';
import { type PackedBlob, readHeader } from '../../repository/pack.ts';
import { type ListedFile, listFiles, type Repository } from '../../repository/repository.ts';

/** A pack to take apart. */
export interface PackRepair {
  readonly id: Id;
  /** Size in bytes, or null where the file is missing. */
  readonly bytes: number | null;
  /** Blobs that the index or the pack's own header place in it. */
  readonly blobs: readonly PackedBlob[];
  readonly indexed: boolean;
}

export interface PackRepairPlan {
  readonly packs: readonly PackRepair[];
}

export interface PackRepairReport {
  readonly salvagedBlobs: number;
  /** Blobs of which no copy is left that the index knows. */
  readonly lost: readonly { readonly pack: Id; readonly blob: PackedBlob; readonly message: string }[];
  /** Damaged packs that could not be removed; the next prune does. */
  readonly leftOver: readonly { readonly id: Id; readonly message: string }[];
}

export interface PackRepairOptions {
  readonly signal?: AbortSignal;
  /** Keeps a copy of a pack before anything is changed; throwing stops the repair. */
  readonly keepCopy?: (id: Id, bytes: Uint8Array) => void | Promise<void>;
  readonly onPackDone?: () => void;
}

/**
 * Finds out what is in the packs. Changes nothing.
 * @throws LifeboatError `usage` for a pack that neither the storage nor the index knows.
 */
export async function planPackRepair(
  repository: Repository,
  index: BlobIndex,
  ids: Iterable<Id>,
): Promise<PackRepairPlan> {
  const listed = new Map(
    (await listFiles(repository.storage, 'data')).map((file): [Id, ListedFile] => [file.id, file]),
  );
  const count = index.packCount();
  const wanted = [...new Set(ids)];
  const numbers = new Map(wanted.map((id) => [id, index.packNumber(id)]));
  const entries = entriesOf(index, numbers.values());
  const packs: PackRepair[] = [];
  for (const [id, number] of numbers) {
    const bytes = listed.get(id)?.size ?? null;
    const indexed = number < count;
    if (bytes === null && !indexed)
      throw new LifeboatError('usage', `there is no pack ${id} in the repository`, {
        hint: 'run `lifeboat check` to see which packs are damaged',
      });
    const fromIndex = Array.from(entries.get(number), index.blobAt);
    const fromHeader = bytes === null ? [] : await blobsOfHeader(repository, id, bytes);
    packs.push({ id, bytes, indexed, blobs: union(fromIndex, fromHeader) });
  }
  return { packs };
}

async function blobsOfHeader(repository: Repository, id: Id, bytes: number): Promise<PackedBlob[]> {
  const { storage, sealer } = repository;
  try {
    return await readHeader(sealer, id, bytes, (offset, length) =>
      storage.load(keyOf('data', id), { offset, length }),
    );
  } catch (error) {
    // A damaged header is one of the reasons to be here; the index may still know the blobs.
    if (!hasCode(error, 'repository-damaged')) throw error;
    return [];
  }
}

function union(...lists: readonly (readonly PackedBlob[])[]): PackedBlob[] {
  const all = new Map<string, PackedBlob>();
  for (const blob of lists.flat()) {
    const { type, id, offset, length, uncompressedLength } = blob;
    all.set(`${type} ${id} ${offset} ${length} ${uncompressedLength}`, blob);
  }
  return [...all.values()];
}

/**
 * Saves what is intact, under an exclusive lock: copies, then new packs and their index, then index files
 * without the damaged packs, then these go (restic internal/repository/repair_pack.go).
 */
export async function executePackRepair(
  repository: Repository,
  index: BlobIndex,
  plan: PackRepairPlan,
  options: PackRepairOptions = {},
): Promise<PackRepairReport> {
  const { storage } = repository;
  const present = plan.packs.filter(({ bytes }) => bytes !== null);
  if (options.keepCopy)
    for (const { id } of present) await options.keepCopy(id, await storage.load(keyOf('data', id)));

  const store = openBlobStore(repository, index);
  const salvaged: PackedBlob[] = [];
  const failed: { pack: Id; blob: PackedBlob; message: string }[] = [];
  try {
    for (const pack of plan.packs) {
      options.signal?.throwIfAborted();
      const problems = await salvage(repository, store, pack);
      const bad = new Set(problems.map(({ blob }) => keyOfPlace(blob)));
      for (const { blob, message } of problems) failed.push({ pack: pack.id, blob, message });
      for (const blob of pack.blobs) if (!bad.has(keyOfPlace(blob))) salvaged.push(blob);
      options.onPackDone?.();
    }
    await store.finish();
  } finally {
    await store.close();
  }

  const numbers = new Set(plan.packs.map(({ id }) => index.packNumber(id)));
  const rewrite = planIndexRewrite(index, numbers);
  options.signal?.throwIfAborted();
  await rewriteIndex(repository, index, rewrite, options.signal);

  const leftOver: { id: Id; message: string }[] = [];
  for (const { id } of present) {
    try {
      await storage.remove(keyOf('data', id));
    } catch (error) {
      leftOver.push({ id, message: messageOf(error) });
    }
  }
  const saved = new Set(salvaged.map(keyOfBlob));
  const lost = failed.filter(
    ({ blob }) => !saved.has(keyOfBlob(blob)) && !hasOtherCopy(index, blob, numbers),
  );
  return { salvagedBlobs: salvaged.length, lost, leftOver };
}

const keyOfBlob = ({ type, id }: PackedBlob): string => `${type} ${id}`;
const keyOfPlace = (blob: PackedBlob): string =>
  `${keyOfBlob(blob)} ${blob.offset} ${blob.length} ${blob.uncompressedLength}`;

function hasOtherCopy(index: BlobIndex, { type, id }: PackedBlob, without: ReadonlySet<number>): boolean {
  return index.findAll(type, id).some(({ pack }) => !without.has(pack));
}

/** Brings what is intact to new packs. Returns what is not. */
async function salvage(
  repository: Repository,
  store: BlobStore,
  { id, bytes, blobs }: PackRepair,
): Promise<readonly { blob: PackedBlob; message: string }[]> {
  if (bytes === null) return blobs.map((blob) => ({ blob, message: `pack ${id} does not exist` }));
  const inside = blobs.filter(({ offset, length }) => offset + length <= bytes);
  const beyond = blobs
    .filter(({ offset, length }) => offset + length > bytes)
    .map((blob) => ({ blob, message: `${blob.type} blob ${blob.id} lies beyond the end of pack ${id}` }));
  if (inside.length === 0) return beyond;
  const key = keyOf('data', id);
  const path = repository.storage.localPath(key);
  const source = path === null ? { bytes: await repository.storage.load(key), offset: 0 } : { path };
  const { problems } = await store.transfer({ source, packName: id, blobs: inside, foreign: null });
  return [...beyond, ...problems];
}
