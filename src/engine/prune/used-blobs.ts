import { LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { createEntrySet, type EntrySet } from '../../repository/index/entry-set.ts';
import { keyOf } from '../../repository/layout.ts';
import { packSourceOf } from '../../repository/pack-source.ts';
import type { Repository } from '../../repository/repository.ts';
import { type MarkContext, markTree } from '../../repository/workers/mark-trees.ts';
import type { WorkerPool } from '../../repository/workers/pool.ts';
import type { MissingBlob } from '../../repository/workers/protocol.ts';

/** Trees that a worker reads in one job: enough to be worth a message, few enough to share the work. */
const treesPerJobMax = 1024;

export interface UsedBlobsOptions {
  readonly signal?: AbortSignal;
  /** Called as trees have been read. */
  readonly onTrees?: (number: number) => void;
  /** The workers belong to another repository than the trees. */
  readonly foreignPool?: boolean;
  /** Blobs found before; what they refer to is taken as found too. Default: none. */
  readonly used?: EntrySet;
}

/**
 * Finds every blob that these trees refer to, themselves included, on all workers at once: trees that wait are
 * collected by pack, and the fullest pack is read next.
 * @returns the first entries (`firstCopyOf`) of the blobs.
 * @throws LifeboatError `repository-damaged` where a tree cannot be read or a blob is in no pack.
 */
export async function findUsedBlobs(
  repository: Repository,
  index: BlobIndex,
  pool: WorkerPool,
  trees: Iterable<Id>,
  { signal, onTrees, foreignPool = false, used = createEntrySet(index.table.count()) }: UsedBlobsOptions = {},
): Promise<EntrySet> {
  const { table } = index;
  const foreign = foreignPool ? { key: repository.master, table: table.memory } : null;
  const waiting = new Map<number, number[]>();
  const missing: MissingBlob[] = [];
  const reader = openBlobReader(repository, index);

  const enqueue = (entry: number): void => {
    const pack = table.packOf(entry);
    const entries = waiting.get(pack);
    if (entries) entries.push(entry);
    else waiting.set(pack, [entry]);
  };
  const idBytes = Buffer.alloc(32);
  for (const tree of trees) {
    idBytes.write(tree, 'hex');
    const entry = table.find('tree', idBytes);
    if (entry < 0) missing.push({ type: 'tree', id: tree, tree });
    else if (used.add(entry)) enqueue(entry);
  }

  /** A tree whose first copy is damaged may be intact in another pack. */
  async function readElsewhere(entry: number): Promise<void> {
    table.copyId(entry, idBytes);
    const id = idBytes.toString('hex') as Id;
    const context: MarkContext = { table, used, subtrees: [], missing };
    markTree(context, await reader.loadBlob('tree', id), id);
    context.subtrees.forEach(enqueue);
  }

  async function readTrees(pack: number, entries: Int32Array): Promise<void> {
    const packName = index.packId(pack);
    const source = await packSourceOf(repository.storage, keyOf('data', packName), table, entries);
    const outcome = await pool.run('markTrees', { source, packName, entries, used: used.memory, foreign });
    outcome.subtrees.forEach(enqueue);
    missing.push(...outcome.missing);
    for (const { entry } of outcome.problems) await readElsewhere(entry);
    onTrees?.(entries.length);
  }

  function takeFullest(): { pack: number; entries: Int32Array } | null {
    let fullest = -1;
    let most = 0;
    for (const [pack, entries] of waiting) {
      if (entries.length <= most) continue;
      fullest = pack;
      most = entries.length;
    }
    if (fullest < 0) return null;
    const entries = waiting.get(fullest)!;
    const taken = Int32Array.from(entries.splice(Math.max(0, entries.length - treesPerJobMax)));
    if (entries.length === 0) waiting.delete(fullest);
    return { pack: fullest, entries: taken };
  }

  await runBounded(
    pool.size * 2,
    () => {
      const next = takeFullest();
      return next && readTrees(next.pack, next.entries);
    },
    signal,
  );
  if (missing.length > 0) throw missingBlobs(missing);
  return used;
}

function missingBlobs(missing: readonly MissingBlob[]): LifeboatError {
  const shown = missing.slice(0, 3).map(({ type, id, tree }) => `${type} ${id} of tree ${tree}`);
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return new LifeboatError(
    'repository-damaged',
    `${missing.length} blobs that snapshots need are in no pack of the index: ${shown.join(', ')}${more}`,
    { hint: 'run `lifeboat repair index`; if that does not find them, `lifeboat repair snapshots`' },
  );
}
