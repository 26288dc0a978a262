import type { Storage } from '../storage/storage.ts';
import type { BlobTable } from './index/table.ts';
import type { PackSource } from './workers/protocol.ts';

/**
 * What a worker reads these blobs of a pack from: the file itself where the storage is local, else the part
 * of the pack from the first of them to the last, fetched here.
 */
export async function packSourceOf(
  storage: Storage,
  key: string,
  table: BlobTable,
  entries: Iterable<number>,
): Promise<PackSource> {
  const path = storage.localPath(key);
  if (path !== null) return { path };
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  let holdsTrees = false;
  for (const entry of entries) {
    holdsTrees ||= table.typeOf(entry) === 'tree';
    const { offset, length } = table.locationOf(entry);
    start = Math.min(start, offset);
    end = Math.max(end, offset + length);
  }
  if (start >= end) return { bytes: new Uint8Array(0), offset: 0 };
  const range = { offset: start, length: end - start };
  return { bytes: await storage.load(key, range, { holdsTrees }), offset: start };
}
