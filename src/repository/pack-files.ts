import { closeSync, openSync, readSync } from 'node:fs';
import type { Id } from '../model/id.ts';
import type { Storage } from '../storage/storage.ts';
import { withBlockReads } from './block-reads.ts';
import type { BlobType } from './index/table.ts';
import { keyOf } from './layout.ts';

/**
 * Small reads from packs. From local files they are synchronous and keep a few files open: a walk over trees
 * reads thousands of blobs of a few hundred bytes, for each of which a turn through the thread pool would
 * cost twenty times the reading. From elsewhere they come in larger blocks, since each costs a round trip.
 */
export interface PackFiles {
  /** Bytes of a blob's pack; fewer where it ends. @throws LifeboatError of the storage. */
  read(type: BlobType, packId: Id, offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Closes what is open. The next read opens anew. */
  close(): void;
}

const openFilesMax = 16;
/** Larger reads are left to the thread pool, so as not to hold up the event loop. */
const synchronousBytesMax = 1024 * 1024;

export function openPackFiles(storage: Storage): PackFiles {
  const open = new Map<Id, number>();
  const remote = withBlockReads(storage);

  function close(): void {
    for (const fd of open.values()) closeSync(fd);
    open.clear();
  }

  function descriptor(packId: Id, path: string): number {
    const held = open.get(packId);
    if (held !== undefined) return held;
    if (open.size >= openFilesMax) close();
    const fd = openSync(path, 'r');
    open.set(packId, fd);
    return fd;
  }

  return {
    read(type, packId, offset, length) {
      const key = keyOf('data', packId);
      const path =
        length <= synchronousBytesMax ? (storage.localPath(key) ?? storage.copyPath?.(key) ?? null) : null;
      const facts = { holdsTrees: type === 'tree' };
      if (path === null) return remote.load(key, { offset, length }, facts);
      try {
        const buffer = Buffer.allocUnsafe(length);
        return buffer.subarray(0, readSync(descriptor(packId, path), buffer, 0, length, offset));
      } catch {
        // The storage's own read says what is wrong, in its own terms; or a copy has vanished, and it has the pack.
        return storage.load(key, { offset, length }, facts);
      }
    },
    close,
  };
}
