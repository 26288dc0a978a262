import { LifeboatError } from '../core/errors.ts';
import { sha256 } from '../kernels/sha256.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import type { BlobIndex } from './index/blob-index.ts';
import { createIndexWriter, type IndexWriter } from './index/writer.ts';
import { keyOf } from './layout.ts';
import { headerFileBytes, type PackedBlob, parseHeader } from './pack.ts';
import type { Repository } from './repository.ts';
import { freeBuffer } from './workers/packer.ts';
import { openPool, type PoolOptions, type WorkerPool } from './workers/pool.ts';
import type {
  ChunksOutcome,
  ClaimedBlob,
  FileBatch,
  FileBatchOutcome,
  FileOutcome,
  FinishedPack,
  Jobs,
  PageBatch,
  PageBatchOutcome,
  StoredCounts,
} from './workers/protocol.ts';

/**
 * Storing blobs: workers encode and pack, this thread stores packs, then index files. `finish` returns only
 * when everything is durable; the caller writes the snapshot after that, never before.
 */

export interface BlobStore {
  readonly pool: WorkerPool;
  readonly index: BlobIndex;
  /** Stores the content of files of up to `largeFileBytes`. */
  saveFiles(batch: FileBatch): Promise<FileBatchOutcome>;
  /** Stores pieces of files cut at fixed multiples. */
  savePages(batch: PageBatch): Promise<PageBatchOutcome>;
  /** Stores the content of one large file up to `end`, its chunks on all workers at once. */
  saveLargeFile(path: string | Uint8Array, end?: number): Promise<LargeFileOutcome>;
  /** Stores one blob of data. */
  saveData(bytes: Uint8Array): Promise<Id>;
  /** Stores a tree. The ID is known at once; storing goes on behind, and a failure shows in `finish`. */
  saveTree(bytes: Uint8Array, stored?: TreeStored): { id: Id; isNew: boolean };
  /**
   * Brings blobs of a pack into new packs. From another repository those that are stored already are left
   * out; from this one all given are stored again, and their old places stay in the index in memory.
   */
  transfer(input: Jobs['transfer']['input']): Promise<Jobs['transfer']['output']>;
  /** null where there is room for more trees, else resolves when there is: bounds memory where storing is slower than walking. */
  drained(): Promise<void> | null;
  /** Writes all open packs and the index. Returns what was added in all. @throws the first failure. */
  finish(): Promise<StoreTotals>;
  totals(): StoreTotals;
  /** For work that is given up: ends the workers and writes the index of what is stored, for the next run to build on. */
  keepStored(): Promise<void>;
  /** Ends the workers. Packs that were not finished are forgotten; what was stored stays, as restic's does. */
  close(): Promise<void>;
}

/** Told once a new tree is encoded: its bytes as stored. */
export type TreeStored = (packedBytes: number) => void;

/** Whether the file changed meanwhile is the caller's to find out. */
export type LargeFileOutcome = Omit<FileOutcome, 'state' | 'seen'>;

export interface StoreTotals {
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Bytes of new blobs before compression, and as stored. */
  readonly bytes: number;
  readonly packedBytes: number;
  /** Bytes written to storage: packs and index. */
  readonly packs: number;
}

export interface StoreOptions extends Omit<PoolOptions, 'table' | 'onPack'> {
  /** An index file is written at least this often while packs are stored; ten minutes unless said. */
  readonly indexEveryMs?: number;
  /** Nothing is written before this resolves; where it rejects, nothing at all. */
  readonly mayWrite?: Promise<void>;
  /** Told of each pack that is stored durably, before it is in any index file. */
  readonly onStored?: (pack: { readonly id: Id; readonly bytes: number }) => void;
}

/** Files above this size are cut by one worker and stored by all. */
export const largeFileBytes = 32 * 1024 * 1024;
const scanBytes = 64 * 1024 * 1024;
const chunksPerJob = 4;
/** Trees handed to workers in one message. */
const treeBatchBytes = 512 * 1024;
const treesWaitingBytesMax = 8 * 1024 * 1024;

export function openBlobStore(
  repository: Repository,
  index: BlobIndex,
  options: StoreOptions = {},
): BlobStore {
  const { storage } = repository;
  const writer: IndexWriter = createIndexWriter(repository, options.indexEveryMs);
  let failure: unknown = null;
  const totals = { dataBlobs: 0, treeBlobs: 0, bytes: 0, packedBytes: 0, packs: 0 };

  /** Packs on their way to storage. */
  const storing = new Set<Promise<void>>();
  let indexing: Promise<void> = Promise.resolve();

  /**
   * Workers are ended wherever they are, which may be inside the table's lock: from then on the table is not
   * to be touched, as the lock may never be free again.
   */
  let closing = false;

  function settle(pack: FinishedPack, blobs: readonly PackedBlob[]): void {
    const number = index.packNumber(pack.id as Id);
    for (let n = 0; n < blobs.length; n++) {
      const { offset, length, uncompressedLength } = blobs[n]!;
      if (pack.entries[n]! >= 0)
        index.table.settle(pack.entries[n]!, { pack: number, offset, length, uncompressedLength });
    }
  }

  async function storePack(pack: FinishedPack): Promise<void> {
    const id = pack.id as Id;
    const blobs = parseHeader(pack.header, pack.blobBytes, id);
    // Blobs of one type share a pack.
    const facts = { sha256: id, holdsTrees: blobs[0]?.type === 'tree' };
    try {
      await options.mayWrite;
      if (failure) return;
      await storage.save(keyOf('data', id), [new Uint8Array(pack.memory, 0, pack.length)], facts);
    } finally {
      freeBuffer(pack);
    }
    options.onStored?.({ id, bytes: pack.length });
    if (!closing) settle(pack, blobs);
    totals.packs++;
    totals.packedBytes += headerFileBytes(0);
    // Index files are written one at a time, in the order in which packs became durable.
    indexing = indexing.then(() => writer.add({ id, blobs }));
    await indexing;
  }

  const fail = (error: unknown): void => {
    failure ??= error;
    pool.cancel();
  };

  const pool = openPool(repository, {
    ...options,
    table: index.table.memory,
    onPack(pack) {
      const stored: Promise<void> = storePack(pack)
        .catch(fail)
        .finally(() => storing.delete(stored));
      storing.add(stored);
    },
  });

  function count(stored: StoredCounts, kind: 'dataBlobs' | 'treeBlobs'): void {
    totals[kind] += stored.blobs;
    totals.bytes += stored.bytes;
    totals.packedBytes += stored.packedBytes;
  }

  /** The error that began it all says more than that the work was then cancelled. */
  const firstFailure = (error: unknown): unknown => failure ?? error;

  let trees: ClaimedBlob[] = [];
  /** Who is to be told of these trees, by their place. */
  let listeners = new Map<number, TreeStored>();
  let treesBytes = 0;
  let treesUnderWay = 0;
  const wakeDrained: (() => void)[] = [];

  function sendTrees(): void {
    if (trees.length === 0) return;
    const items = trees;
    const told = listeners;
    const bytes = treesBytes;
    trees = [];
    listeners = new Map();
    treesBytes = 0;
    treesUnderWay += bytes;
    pool
      .run('blobs', { items }, 0)
      .then((stored) => {
        count(stored, 'treeBlobs');
        for (const [place, tell] of told) tell(stored.sizes[place]!);
      })
      .catch(fail)
      .finally(() => {
        treesUnderWay -= bytes;
        if (treesUnderWay === 0) treesIdle?.();
        if (treesUnderWay > treesWaitingBytesMax) return;
        for (const wake of wakeDrained.splice(0)) wake();
      });
  }
  let treesIdle: (() => void) | null = null;

  async function close(): Promise<void> {
    failure ??= new LifeboatError('cancelled', 'the store was closed');
    closing = true;
    await pool.close();
    await Promise.all(storing);
  }

  async function saveChunks(path: string | Uint8Array, cuts: Float64Array): Promise<ChunksOutcome> {
    const outcome = await pool.run('chunks', { path, cuts });
    count(outcome.stored, 'dataBlobs');
    return outcome;
  }

  return {
    pool,
    index,
    async saveFiles(batch) {
      try {
        const outcome = await pool.run('files', batch);
        count(outcome.stored, 'dataBlobs');
        return outcome;
      } catch (error) {
        throw firstFailure(error);
      }
    },
    async savePages(batch) {
      try {
        const outcome = await pool.run('pages', batch);
        count(outcome.stored, 'dataBlobs');
        return outcome;
      } catch (error) {
        throw firstFailure(error);
      }
    },
    async saveLargeFile(path, end) {
      try {
        const parts: Promise<ChunksOutcome>[] = [];
        let start = 0;
        let problem: LargeFileOutcome['problem'] = null;
        for (let ended = false; !ended; ) {
          const input = { path, start, bytesMax: scanBytes, ...(end === undefined ? {} : { end }) };
          const scan = await pool.run('scan', input);
          problem ??= scan.problem;
          ended = scan.ended;
          const { cuts } = scan;
          for (let n = 0; n + 1 < cuts.length; n += chunksPerJob) {
            const part = saveChunks(path, cuts.slice(n, n + chunksPerJob + 1));
            part.catch(() => undefined); // reported where all parts are awaited, unless a scan fails before
            parts.push(part);
          }
          start = cuts[cuts.length - 1]!;
          // One scan may run ahead of the chunks of the one before, no more: the page cache still has them.
          if (!ended && parts.length > 2 * (scanBytes / (1024 * 1024))) await Promise.all(parts);
        }
        const outcomes = await Promise.all(parts);
        problem ??= outcomes.find((outcome) => outcome.problem)?.problem ?? null;
        const packedBytes = outcomes.reduce((sum, outcome) => sum + outcome.stored.packedBytes, 0);
        const newBytes = outcomes.reduce((sum, outcome) => sum + outcome.stored.bytes, 0);
        const content = problem ? null : Buffer.concat(outcomes.map((outcome) => outcome.content!));
        return { content, size: start, newBytes, packedBytes, problem };
      } catch (error) {
        throw firstFailure(error);
      }
    },
    async saveData(bytes) {
      try {
        const { id, stored } = await pool.run('data', { bytes });
        count(stored, 'dataBlobs');
        return idOfBytes(id);
      } catch (error) {
        throw firstFailure(error);
      }
    },
    saveTree(bytes, stored) {
      if (closing) throw failure;
      const id = sha256(bytes);
      const entry = index.table.claim('tree', id);
      if (entry >= 0) {
        if (stored) listeners.set(trees.length, stored);
        trees.push({ type: 'tree', id, entry, bytes });
        treesBytes += bytes.length;
        if (treesBytes >= treeBatchBytes) sendTrees();
      }
      return { id: idOfBytes(id), isNew: entry >= 0 };
    },
    async transfer(input) {
      try {
        const outcome = await pool.run('transfer', input);
        count(outcome.stored, 'dataBlobs');
        return outcome;
      } catch (error) {
        throw firstFailure(error);
      }
    },
    drained() {
      if (failure) throw failure;
      if (treesUnderWay <= treesWaitingBytesMax) return null;
      return new Promise<void>((resolve) => wakeDrained.push(resolve)).then(() => {
        if (failure) throw failure;
      });
    },
    async finish() {
      try {
        await options.mayWrite;
        sendTrees();
        if (treesUnderWay > 0) await new Promise<void>((resolve) => (treesIdle = resolve));
        const flushes = Array.from({ length: pool.size }, (_, worker) => worker);
        if (!failure)
          await Promise.all(flushes.filter(pool.started).map((worker) => pool.run('flush', null, worker)));
        while (storing.size > 0) await Promise.all(storing);
        if (failure) throw failure;
        await writer.finish();
        return { ...totals };
      } catch (error) {
        throw firstFailure(error);
      }
    },
    totals: () => ({ ...totals }),
    async keepStored() {
      await close();
      await indexing;
      await writer.finish();
    },
    close,
  };
}
