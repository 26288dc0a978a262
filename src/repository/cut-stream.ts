import type { Chunker } from '../kernels/rabin.ts';

/** What streams that are cut by content have in common, however their chunks are handed over. */

export interface CutHandlers {
  /** A chunk lies in the chunker's input from `start` to `end`, until `beforeMove` is called. Small ones are many: undefined need not be waited for. */
  onChunk(start: number, end: number): Promise<void> | undefined;
  /** What is not cut yet is about to be moved to its beginning. */
  beforeMove?(): Promise<void>;
  /** Told how many bytes the stream has given so far. */
  onBytes(total: number): void;
}

/** Cuts a stream to its end. @returns its bytes. @throws what the stream and the handlers throw. */
export async function cutStream(
  { input, nextCut }: Pick<Chunker, 'input' | 'nextCut'>,
  stream: AsyncIterable<Uint8Array>,
  { onChunk, beforeMove, onBytes }: CutHandlers,
): Promise<number> {
  /** The chunk that is not cut yet begins at `start`; `held` is the end of the data. */
  let start = 0;
  let held = 0;
  let scanned = 0;
  let size = 0;

  async function cutAll(isLast: boolean): Promise<void> {
    while (start < held) {
      const end = nextCut(start, held, isLast, scanned);
      if (end < 0) break;
      const from = start;
      start = end;
      scanned = end;
      const handedOver = onChunk(from, end);
      if (handedOver) await handedOver;
    }
    scanned = Math.max(scanned, held);
  }

  for await (const piece of stream) {
    for (let done = 0; done < piece.length; ) {
      if (held === input.length) {
        await beforeMove?.();
        input.copyWithin(0, start, held);
        held -= start;
        scanned -= start;
        start = 0;
      }
      const part = piece.subarray(done, done + input.length - held);
      input.set(part, held);
      held += part.length;
      done += part.length;
      size += part.length;
      await cutAll(false);
    }
    onBytes(size);
  }
  await cutAll(true);
  return size;
}

export interface BoundedSaves<T> {
  /** Waits while too many are under way. @throws the first failure of any, so that the rest need not be read. */
  add(saved: Promise<T>): Promise<void>;
  /** The results in the order of adding. @throws as the first that fails. */
  all(): Promise<T[]>;
}

export function createBoundedSaves<T>(underWayMax: number): BoundedSaves<T> {
  const added: Promise<T>[] = [];
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  return {
    async add(saved) {
      added.push(saved);
      const tracked: Promise<void> = saved
        .then(
          () => undefined,
          (error: unknown) => void failures.push(error),
        )
        .finally(() => underWay.delete(tracked));
      underWay.add(tracked);
      if (underWay.size >= underWayMax) await Promise.race(underWay);
      if (failures.length > 0) throw failures[0];
    },
    all: () => Promise.all(added),
  };
}
