import { createChunker, fineRule } from '../kernels/rabin.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';
import type { StoredStream } from './stream.ts';
import { factsPerPiece, pageFacts } from './workers/protocol.ts';

/** Streams cut finer than restic cuts: many small chunks go to the workers in one message. */

const inputBytes = 4 * 1024 * 1024;
/** Chunks are handed over when there are so many bytes of them. */
const batchBytesMin = 512 * 1024;
const batchesUnderWayMax = 6;
const idBytes = 32;

/**
 * Cuts a stream by content into chunks of `averageBytes` and stores them.
 * @param averageBytes a power of two from 8 KiB to 512 KiB.
 * @param onBytes told how many bytes the stream has given so far.
 */
export async function storeFineStream(
  store: BlobStore,
  polynomial: bigint,
  averageBytes: number,
  stream: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): Promise<StoredStream> {
  const chunker = createChunker(polynomial, inputBytes, fineRule(averageBytes));
  const { input } = chunker;
  const batches: Promise<Uint8Array>[] = [];
  const underWay = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  /** The batch begins at `batchStart`, its last chunk so far at `start`; `held` is the end of the data. */
  let batchStart = 0;
  let start = 0;
  let scanned = 0;
  let held = 0;
  let cuts: number[] = [];
  let size = 0;

  async function sendBatch(): Promise<void> {
    if (cuts.length === 0) return;
    const memory = new SharedArrayBuffer(start - batchStart);
    new Uint8Array(memory).set(input.subarray(batchStart, start));
    const facts = new Float64Array(cuts.length * factsPerPiece);
    let from = batchStart;
    for (const [place, cut] of cuts.entries()) {
      facts[place * factsPerPiece + pageFacts.offset] = from - batchStart;
      facts[place * factsPerPiece + pageFacts.bytes] = cut - from;
      facts[place * factsPerPiece + pageFacts.chunkBytes] = cut - from;
      from = cut;
    }
    batchStart = start;
    cuts = [];
    const saved = store.savePages({ source: { memory }, facts }).then(({ ids }) => ids);
    batches.push(saved);
    const tracked: Promise<void> = saved
      .then(
        () => undefined,
        (error: unknown) => void failures.push(error),
      )
      .finally(() => underWay.delete(tracked));
    underWay.add(tracked);
    if (underWay.size >= batchesUnderWayMax) await Promise.race(underWay);
    // What cannot be stored need not be read to its end, which may be hours away.
    if (failures.length > 0) throw failures[0];
  }

  async function cutAll(isLast: boolean): Promise<void> {
    while (start < held) {
      const end = chunker.nextCut(start, held, isLast, scanned);
      if (end < 0) break;
      cuts.push(end);
      start = end;
      scanned = end;
      if (start - batchStart >= batchBytesMin) await sendBatch();
    }
    scanned = Math.max(scanned, held);
  }

  async function makeRoom(): Promise<void> {
    await sendBatch();
    input.copyWithin(0, start, held);
    held -= start;
    scanned -= start;
    start = 0;
    batchStart = 0;
  }

  for await (const piece of stream) {
    for (let done = 0; done < piece.length; ) {
      if (held === input.length) await makeRoom();
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
  await sendBatch();
  const content: Id[] = [];
  for (const ids of await Promise.all(batches)) {
    for (let at = 0; at < ids.length; at += idBytes) content.push(idOfBytes(ids.subarray(at, at + idBytes)));
  }
  return { content, size };
}
