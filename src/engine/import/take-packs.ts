import type { Id } from '../../model/id.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { entriesOf } from '../../repository/index/rewrite.ts';
import { createIndexWriter } from '../../repository/index/writer.ts';
import { keyOf } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import type { ArrivedPack } from './read-export.ts';

/** Packs of an export on their way into a repository with the same key: they are stored as they are. */
export interface PackTaker {
  /** Resolves when there is room for the next one. @throws the first failure to store one. */
  take(pack: ArrivedPack): Promise<void>;
  /** Resolves when all are durable, then writes the index of them. @param index of the export. */
  finish(index: BlobIndex): Promise<void>;
  /** Waits for what is under way, and forgets it: for work that is given up. */
  settle(): Promise<void>;
  counts(): { readonly stored: number; readonly storedBytes: number; readonly skipped: number };
}

const underWayBytesMax = 96 * 1024 * 1024;

/** A pack whose blobs are all there is left out; one that an import which was killed has stored is only noted in the index. */
export async function openPackTaker(destination: Repository): Promise<PackTaker> {
  const { storage } = destination;
  const [there, present] = await Promise.all([loadIndex(destination), listPacks(destination)]);
  const id = Buffer.alloc(32);
  const toIndex: Id[] = [];
  const underWay = new Set<Promise<void>>();
  let underWayBytes = 0;
  let failure: unknown = null;
  const counts = { stored: 0, storedBytes: 0, skipped: 0 };

  const has = (blob: ArrivedPack['blobs'][number]): boolean => {
    id.write(blob.id, 'hex');
    return there.table.find(blob.type, id) >= 0;
  };

  async function store({ id: pack, bytes, blobs }: ArrivedPack): Promise<void> {
    const holdsTrees = blobs.some(({ type }) => type === 'tree');
    await storage.save(keyOf('data', pack), [bytes], { sha256: pack, holdsTrees });
    counts.stored++;
    counts.storedBytes += bytes.length;
  }

  return {
    async take(pack) {
      if (failure) throw failure;
      const known = there.knownPackNumber(pack.id) !== null;
      const isStored = present.get(pack.id) === pack.bytes.length;
      // A pack that the index names and that is gone or cut short comes back with this.
      if (known ? isStored : pack.blobs.every(has)) {
        counts.skipped++;
        return;
      }
      if (!known) toIndex.push(pack.id);
      if (isStored) {
        counts.skipped++;
        return;
      }
      underWayBytes += pack.bytes.length;
      const storing: Promise<void> = store(pack)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => {
          underWay.delete(storing);
          underWayBytes -= pack.bytes.length;
        });
      underWay.add(storing);
      while (underWay.size >= storage.connections || underWayBytes > underWayBytesMax)
        await Promise.race(underWay);
    },
    async finish(index) {
      await Promise.all(underWay);
      if (failure) throw failure;
      const writer = createIndexWriter(destination);
      const numbers = toIndex.map((pack) => index.packNumber(pack));
      const entries = entriesOf(index, numbers);
      for (const number of numbers)
        await writer.add({ id: index.packId(number), blobs: Array.from(entries.get(number), index.blobAt) });
      await writer.finish();
    },
    async settle() {
      await Promise.all(underWay);
    },
    counts: () => counts,
  };
}

async function listPacks({ storage }: Repository): Promise<Map<Id, number>> {
  const present = new Map<Id, number>();
  for (const { id, size } of await listFiles(storage, 'data')) present.set(id, size);
  return present;
}
