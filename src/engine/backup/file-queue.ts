import { type ByteString, toPath } from '../../core/bytestring.ts';
import { type BlobStore, largeFileBytes } from '../../repository/blob-store.ts';
import {
  type ContentState,
  contentStates,
  type FileOutcome,
  factsPerFile,
  outcomeFactsPerFile,
  type SeenFacts,
} from '../../repository/workers/protocol.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';

/**
 * Files on their way to the workers: small ones in batches, large ones by themselves. Bounded, so that the
 * walk cannot run ahead of the workers by more than a few batches.
 */

/** A file to store, and what the walk wants back with its outcome. */
export interface QueuedFile {
  readonly path: ByteString;
  readonly stat: FileStat;
}

export interface FileQueue<T extends QueuedFile> {
  /** Takes a file; sends a batch when one is full. */
  add(file: T): void;
  /** null where there is room for more, else resolves when there is. @throws the first failure. */
  room(): Promise<void> | null;
  /** Sends what is left and resolves when all outcomes were delivered. @throws the first failure. */
  finish(): Promise<void>;
  /** Resolves when nothing is under way any more, whatever happened. */
  settled(): Promise<void>;
}

/** A batch goes out at this many files or bytes: large enough that messages cost nothing, small enough to spread. */
const batchFilesMax = 128;
const batchBytesMax = 4 * 1024 * 1024;
/** Batches under way before the walk waits, for each worker. */
const batchesPerWorker = 3;
const largeFilesAtOnce = 2;

const milliseconds = (seconds: number, nanoseconds: number): number => seconds * 1000 + nanoseconds / 1e6;

/** What tells that a file changed, as workers see it. */
export function factsOf(stat: FileStat): SeenFacts {
  return {
    size: Number(stat.size),
    mtimeMs: milliseconds(stat.mtimeSec, stat.mtimeNsec),
    ctimeMs: milliseconds(stat.ctimeSec, stat.ctimeNsec),
  };
}

export function sameFacts(one: SeenFacts, other: SeenFacts): boolean {
  return one.size === other.size && one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs;
}

export function createFileQueue<T extends QueuedFile>(
  store: BlobStore,
  done: (file: T, outcome: FileOutcome) => void,
  batchDone: (last: T) => void,
): FileQueue<T> {
  let batch: T[] = [];
  let batchBytes = 0;
  let failure: unknown = null;
  const batches = new Set<Promise<void>>();
  const large = new Set<Promise<void>>();
  let wake: (() => void) | null = null;

  function track(work: Promise<void>, set: Set<Promise<void>>): void {
    const tracked: Promise<void> = work
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        set.delete(tracked);
        wake?.();
      });
    set.add(tracked);
  }

  async function saveBatch(files: readonly T[]): Promise<void> {
    const facts = new Float64Array(files.length * factsPerFile);
    let paths = '';
    for (let n = 0; n < files.length; n++) {
      const { path, stat } = files[n]!;
      const { size, mtimeMs, ctimeMs } = factsOf(stat);
      paths += `${path}\0`;
      facts[n * factsPerFile] = size;
      facts[n * factsPerFile + 1] = mtimeMs;
      facts[n * factsPerFile + 2] = ctimeMs;
    }
    const outcome = await store.saveFiles({ paths, facts });
    const problems = new Map(outcome.problems.map(({ file, problem }) => [file, problem]));
    let at = 0;
    for (let n = 0; n < files.length; n++) {
      const fact = n * outcomeFactsPerFile;
      const problem = problems.get(n) ?? null;
      const idBytes = problem ? 0 : outcome.facts[fact]! * 32;
      done(files[n]!, {
        content: problem ? null : outcome.ids.subarray(at, at + idBytes),
        size: outcome.facts[fact + 1]!,
        newBytes: outcome.facts[fact + 2]!,
        packedBytes: outcome.facts[fact + 3]!,
        state: contentStates[outcome.facts[fact + 4]!]!,
        seen: {
          size: outcome.facts[fact + 5]!,
          mtimeMs: outcome.facts[fact + 6]!,
          ctimeMs: outcome.facts[fact + 7]!,
        },
        problem,
      });
      at += idBytes;
    }
    batchDone(files[files.length - 1]!);
  }

  async function saveLarge(file: T): Promise<void> {
    const path = toPath(file.path);
    // Looked at again, as it may have waited, and will be read for long.
    const before = factsNow(file);
    const outcome = await store.saveLargeFile(path);
    const after = before && factsNow(file);
    let state: ContentState = 'torn';
    if (before && after && sameFacts(before, after) && outcome.size === before.size)
      state = sameFacts(before, factsOf(file.stat)) ? 'same' : 'newer';
    done(file, { ...outcome, state, seen: before ?? factsOf(file.stat) });
    batchDone(file);
  }

  function factsNow({ path }: T): SeenFacts | null {
    try {
      return factsOf(statEntry(path));
    } catch {
      return null; // it is gone: what was read may not be all there was
    }
  }

  function sendBatch(): void {
    if (batch.length === 0) return;
    track(saveBatch(batch), batches);
    batch = [];
    batchBytes = 0;
  }

  const isFull = (): boolean =>
    batches.size >= batchesPerWorker * store.pool.size || large.size >= largeFilesAtOnce;

  async function waitForRoom(): Promise<void> {
    while (!failure && isFull()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (failure) throw failure;
  }

  return {
    add(file) {
      const size = Number(file.stat.size);
      if (size > largeFileBytes && store.pool.size > 1) {
        track(saveLarge(file), large);
        return;
      }
      batch.push(file);
      batchBytes += size;
      if (batch.length >= batchFilesMax || batchBytes >= batchBytesMax) sendBatch();
    },
    room() {
      if (failure) throw failure;
      return isFull() ? waitForRoom() : null;
    },
    async finish() {
      // An outcome may put its file into the queue again.
      do {
        sendBatch();
        await Promise.all([...batches, ...large]);
      } while (!failure && (batch.length > 0 || batches.size > 0 || large.size > 0));
      if (failure) throw failure;
    },
    async settled() {
      await Promise.all([...batches, ...large]);
    },
  };
}
