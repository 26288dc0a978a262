import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import { keyOf } from '../layout.ts';
import type { Repository } from '../repository.ts';
import type { BlobIndex } from './blob-index.ts';
import { blobsPerIndexFile, createIndexWriter } from './writer.ts';

/** Which index files go and which packs are written to new ones. */
export interface IndexRewrite {
  readonly files: readonly Id[];
  /** Numbers of the packs that the new files describe. */
  readonly packs: readonly number[];
}

/**
 * Index files are rewritten that name a pack to leave out, that name a pack which another file names as well,
 * or that are not full; the others stay as they are (restic internal/repository/index/master_index.go, Rewrite).
 */
export function planIndexRewrite(index: BlobIndex, leaveOut: ReadonlySet<number>): IndexRewrite {
  const blobsOfPack = new Uint32Array(index.packCount());
  for (let entry = 0; entry < index.table.count(); entry++) {
    const pack = index.table.packOf(entry);
    if (pack < blobsOfPack.length) blobsOfPack[pack]!++;
  }
  const inKeptFile = new Set<number>();
  const files: Id[] = [];
  for (const [id, packs] of index.files) {
    const blobs = packs.reduce((sum, pack) => sum + blobsOfPack[pack]!, 0);
    const stays =
      blobs >= blobsPerIndexFile && !packs.some((pack) => leaveOut.has(pack) || inKeptFile.has(pack));
    if (stays) for (const pack of packs) inKeptFile.add(pack);
    else files.push(id);
  }
  // A pack that a kept file names too is written again: of old, a pack's blobs could be split over two files.
  const packs = new Set(files.flatMap((id) => index.files.get(id)!).filter((pack) => !leaveOut.has(pack)));
  const touched = files.some((id) => index.files.get(id)!.some((pack) => leaveOut.has(pack)));
  // One file that is merely not full would be written again as it is.
  return touched || files.length > 1 ? { files, packs: [...packs] } : { files: [], packs: [] };
}

/** Writes the new index files; only when all are durable the old ones are deleted. @throws storage errors. */
export async function rewriteIndex(
  repository: Repository,
  index: BlobIndex,
  { files, packs }: IndexRewrite,
  signal?: AbortSignal,
): Promise<void> {
  const writer = createIndexWriter(repository);
  const entries = entriesOf(index, packs);
  for (const pack of packs) {
    signal?.throwIfAborted();
    await writer.add({ id: index.packId(pack), blobs: Array.from(entries.get(pack), index.blobAt) });
  }
  const written = new Set(await writer.finish());
  const { storage } = repository;
  const old = files.filter((id) => !written.has(id));
  await runBounded(storage.connections, () => {
    const id = old.pop();
    return id === undefined ? null : storage.remove(keyOf('index', id));
  });
}

export interface EntriesOfPacks {
  get(pack: number): Int32Array;
}

/** The entries of some packs, four bytes each. @param wanted further limits them. */
export function entriesOf(
  { table, packCount }: BlobIndex,
  packs: Iterable<number>,
  wanted: (entry: number) => boolean = () => true,
): EntriesOfPacks {
  const none = -1;
  const starts = new Int32Array(packCount()).fill(none);
  const counts = new Int32Array(starts.length);
  for (const pack of packs) starts[pack] = 0;
  const total = table.count();
  const isWanted = (entry: number, pack: number): boolean =>
    pack < starts.length && starts[pack] !== none && wanted(entry);
  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    if (isWanted(entry, pack)) counts[pack]!++;
  }
  let sum = 0;
  for (let pack = 0; pack < starts.length; pack++) {
    if (starts[pack] === none) continue;
    starts[pack] = sum;
    sum += counts[pack]!;
  }
  const entries = new Int32Array(sum);
  const filled = new Int32Array(starts.length);
  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    if (isWanted(entry, pack)) entries[starts[pack]! + filled[pack]!++] = entry;
  }
  return {
    get: (pack) =>
      starts[pack] === none || pack >= starts.length
        ? new Int32Array(0)
        : entries.subarray(starts[pack]!, starts[pack]! + counts[pack]!),
  };
}
