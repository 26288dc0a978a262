import { hasCode, messageOf } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { entriesOf } from '../../repository/index/rewrite.ts';
import { createIndexWriter } from '../../repository/index/writer.ts';
import { keyOf } from '../../repository/layout.ts';
import { type PackedBlob, readHeader } from '../../repository/pack.ts';
import type { Repository } from '../../repository/repository.ts';
import type { IndexRepairPlan, PackToRead, PreparedIndexRepair } from './plan-index.ts';

export interface IndexRepairReport {
  readonly packsRead: number;
  /** Packs whose header cannot be read. */
  readonly damagedPacks: readonly { readonly id: Id; readonly message: string; readonly indexed: boolean }[];
  readonly filesWritten: readonly Id[];
  readonly filesRemoved: readonly Id[];
}

export interface IndexRepairOptions {
  readonly signal?: AbortSignal;
  readonly onPackRead?: () => void;
}

/**
 * Carries out the plan under an exclusive lock: reads headers, writes new index files, and only when these
 * are durable removes the old ones. A pack whose header is damaged stays as the index described it, so that
 * `repair packs` can still save what is intact in it.
 */
export async function executeIndexRepair(
  repository: Repository,
  { plan, index }: PreparedIndexRepair,
  options: IndexRepairOptions = {},
): Promise<IndexRepairReport> {
  const { storage } = repository;
  const { headers, damaged } = await readHeaders(repository, plan.packsToRead, options);
  const described = describedPacks(index, plan, damaged);
  options.signal?.throwIfAborted();

  const writer = createIndexWriter(repository);
  const entries = entriesOf(index, described.values());
  for (const [id, number] of described)
    await writer.add({ id, blobs: Array.from(entries.get(number), index.blobAt) });
  for (const [id, blobs] of headers) await writer.add({ id, blobs });
  const filesWritten = await writer.finish();

  const filesRemoved = plan.obsoleteFiles.filter((id) => !filesWritten.includes(id));
  const waiting = [...filesRemoved];
  await runBounded(storage.connections, () => {
    const id = waiting.pop();
    return id === undefined ? null : storage.remove(keyOf('index', id));
  });
  return {
    packsRead: headers.size,
    damagedPacks: [...damaged].map(([id, message]) => ({ id, message, indexed: described.has(id) })),
    filesWritten,
    filesRemoved,
  };
}

/** Packs that are written as the index had them, with their numbers. */
function describedPacks(
  index: BlobIndex,
  plan: IndexRepairPlan,
  damaged: ReadonlyMap<Id, string>,
): Map<Id, number> {
  const described = new Map(plan.packsToKeep.map((id) => [id, index.packNumber(id)]));
  const count = index.packCount();
  for (const id of damaged.keys()) {
    const number = index.packNumber(id);
    if (number < count) described.set(id, number);
  }
  return described;
}

async function readHeaders(
  repository: Repository,
  packs: readonly PackToRead[],
  options: IndexRepairOptions,
): Promise<{ headers: Map<Id, PackedBlob[]>; damaged: Map<Id, string> }> {
  const { storage, sealer } = repository;
  const headers = new Map<Id, PackedBlob[]>();
  const damaged = new Map<Id, string>();

  async function readOne({ id, size }: PackToRead): Promise<void> {
    const read = (offset: number, length: number): Promise<Uint8Array> =>
      storage.load(keyOf('data', id), { offset, length });
    try {
      headers.set(id, await readHeader(sealer, id, size, read));
    } catch (error) {
      if (!hasCode(error, 'repository-damaged', 'storage-missing-file')) throw error;
      damaged.set(id, messageOf(error));
    }
    options.onPackRead?.();
  }

  const waiting = packs.toReversed();
  await runBounded(
    storage.connections,
    () => {
      const pack = waiting.pop();
      return pack === undefined ? null : readOne(pack);
    },
    options.signal,
  );
  return { headers, damaged };
}
