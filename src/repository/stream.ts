import { chunkBytesMin, createChunker, fineRule, resticRule } from '../kernels/rabin.ts';
import type { Id } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';

/** Chunks that are on their way to the workers at once. */
const chunksUnderWayMax = 6;

/** restic's own rule never cuts sooner: what is not longer is one blob. */
export const wholeBytesMax = chunkBytesMin;

/** The same for streams that are cut finer, and whether that is another rule than restic's. */
export function finenessOf(averageBytes: number | undefined): { wholeBytesMax: number; isFine: boolean } {
  const rule = averageBytes === undefined ? resticRule : fineRule(averageBytes);
  return { wholeBytesMax: rule.chunkBytesMin, isFine: rule !== resticRule };
}

export interface StoredStream {
  readonly content: Id[];
  /** Bytes. */
  readonly size: number;
}

/** Cuts a stream at the same places as a file of the same content, and stores its chunks. */
export async function storeStream(
  store: BlobStore,
  polynomial: bigint,
  stream: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): Promise<StoredStream> {
  const chunker = createChunker(polynomial);
  const { input } = chunker;
  const content: Promise<Id>[] = [];
  const underWay = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  let start = 0;
  let held = 0;
  let scanned = 0;
  let size = 0;

  async function storeUpTo(end: number): Promise<void> {
    const saved = store.saveData(input.slice(start, end));
    content.push(saved);
    const tracked: Promise<void> = saved
      .then(
        () => undefined,
        (error: unknown) => void failures.push(error),
      )
      .finally(() => underWay.delete(tracked));
    underWay.add(tracked);
    start = end;
    scanned = end;
    if (underWay.size >= chunksUnderWayMax) await Promise.race(underWay);
    // What cannot be stored need not be read to its end, which may be hours away.
    if (failures.length > 0) throw failures[0];
  }

  async function cutAll(isLast: boolean): Promise<void> {
    while (start < held) {
      const end = chunker.nextCut(start, held, isLast, scanned);
      if (end < 0) break;
      await storeUpTo(end);
    }
    scanned = Math.max(scanned, held);
  }

  for await (const piece of stream) {
    for (let done = 0; done < piece.length; ) {
      if (held === input.length) {
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
  return { content: await Promise.all(content), size };
}
