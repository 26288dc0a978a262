import { createChunker, fineRule } from '../kernels/rabin.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';
import { createBoundedSaves, cutStream } from './cut-stream.ts';
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
  const saves = createBoundedSaves<Uint8Array>(batchesUnderWayMax);
  /** The batch that is being gathered lies from here to the last of its cuts. */
  let batchStart = 0;
  let cuts: number[] = [];

  async function sendBatch(): Promise<void> {
    const batchEnd = cuts.at(-1);
    if (batchEnd === undefined) return;
    const memory = new SharedArrayBuffer(batchEnd - batchStart);
    new Uint8Array(memory).set(input.subarray(batchStart, batchEnd));
    const facts = new Float64Array(cuts.length * factsPerPiece);
    let from = batchStart;
    for (const [place, cut] of cuts.entries()) {
      facts[place * factsPerPiece + pageFacts.offset] = from - batchStart;
      facts[place * factsPerPiece + pageFacts.bytes] = cut - from;
      facts[place * factsPerPiece + pageFacts.chunkBytes] = cut - from;
      from = cut;
    }
    batchStart = batchEnd;
    cuts = [];
    await saves.add(store.savePages({ source: { memory }, facts }).then(({ ids }) => ids));
  }

  const size = await cutStream(chunker, stream, {
    onChunk(_, end) {
      cuts.push(end);
      return end - batchStart >= batchBytesMin ? sendBatch() : undefined;
    },
    async beforeMove() {
      await sendBatch();
      batchStart = 0;
    },
    onBytes,
  });
  await sendBatch();
  const content: Id[] = [];
  for (const ids of await saves.all()) {
    for (let at = 0; at < ids.length; at += idBytes) content.push(idOfBytes(ids.subarray(at, at + idBytes)));
  }
  return { content, size };
}
