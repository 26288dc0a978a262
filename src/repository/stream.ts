import { chunkBytesMin, createChunker, fineRule, resticRule } from '../kernels/rabin.ts';
import type { Id } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';
import { createBoundedSaves, cutStream } from './cut-stream.ts';

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
  const saves = createBoundedSaves<Id>(chunksUnderWayMax);
  const size = await cutStream(chunker, stream, {
    onChunk: (start, end) => saves.add(store.saveData(chunker.input.slice(start, end))),
    onBytes,
  });
  return { content: await saves.all(), size };
}
