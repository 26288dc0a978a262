import { sealOverheadBytes } from '../../repository/crypto.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';

/** What the blobs in use take in the repository, and would take uncompressed. */
export interface RawData {
  readonly blobs: number;
  /** Stored, with the envelope of each blob. */
  readonly bytes: number;
  /** The same uncompressed; 0 in a repository of version 1, which compresses nothing. */
  readonly uncompressedBytes: number;
  /** Of the blobs that are compressed: stored, and uncompressed. */
  readonly compressedBlobs: { readonly bytes: number; readonly uncompressedBytes: number };
}

/** @param entries numbers of index entries, each blob once. */
export function measureRawData(index: BlobIndex, entries: Iterable<number>, version: 1 | 2): RawData {
  let blobs = 0;
  let bytes = 0;
  let uncompressedBytes = 0;
  const compressedBlobs = { bytes: 0, uncompressedBytes: 0 };
  for (const entry of entries) {
    const { length, uncompressedLength } = index.table.locationOf(entry);
    const plain = uncompressedLength === 0 ? length : uncompressedLength + sealOverheadBytes;
    blobs++;
    bytes += length;
    if (version === 1) continue;
    uncompressedBytes += plain;
    if (uncompressedLength === 0) continue;
    compressedBlobs.bytes += length;
    compressedBlobs.uncompressedBytes += plain;
  }
  return { blobs, bytes, uncompressedBytes, compressedBlobs };
}

export interface CompressionFigures {
  /** How many times smaller the compressed blobs are; 0 where there are none. */
  readonly ratio: number;
  /** Part of the data that is compressed, in percent. */
  readonly progressPercent: number;
  /** What compression saves of everything, in percent. */
  readonly savingPercent: number;
}

export function compressionFigures(data: RawData): CompressionFigures {
  const { bytes, uncompressedBytes, compressedBlobs } = data;
  return {
    ratio: compressedBlobs.bytes > 0 ? compressedBlobs.uncompressedBytes / compressedBlobs.bytes : 0,
    progressPercent:
      uncompressedBytes > 0 ? (compressedBlobs.uncompressedBytes / uncompressedBytes) * 100 : 0,
    savingPercent: uncompressedBytes > 0 ? (1 - bytes / uncompressedBytes) * 100 : 0,
  };
}
