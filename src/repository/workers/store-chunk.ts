import { checksum } from '../../kernels/checksum.ts';
import { sha256 } from '../../kernels/sha256.ts';
import type { BlobTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import type { IdList } from './id-list.ts';

/** What a job has stored so far. */
export interface StoredCounter {
  blobs: number;
  bytes: number;
  packedBytes: number;
}

export const newCounter = (): StoredCounter => ({ blobs: 0, bytes: 0, packedBytes: 0 });

/**
 * Stores a chunk of a file's content where the repository has none like it, and appends its ID.
 * @returns the ID, in memory that the next call fills again.
 */
export type StoreChunk = (bytes: Uint8Array, ids: IdList, counter: StoredCounter) => Uint8Array;

/** @param progress told the bytes of each chunk, stored or not. */
export function createChunkStore(
  table: BlobTable,
  encoder: BlobEncoder,
  progress: (bytes: number) => void,
): StoreChunk {
  const id = Buffer.allocUnsafeSlow(32);
  return (bytes, ids, counter) => {
    // Taken before the hash: if the bytes change between the two, what is stored will not match it.
    const sum = checksum(bytes);
    sha256(bytes, id);
    ids.push(id);
    const entry = table.claim('data', id);
    if (entry >= 0) {
      counter.packedBytes += encoder.store('data', id, entry, bytes, sum);
      counter.blobs++;
      counter.bytes += bytes.length;
    }
    progress(bytes.length);
    return id;
  };
}
