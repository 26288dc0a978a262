/**
 * Neighbouring parts of a file come as many small blobs and go to the disk in few large writes. Blobs are unpacked
 * to where they are written from, so nothing is copied.
 */
export interface GatheredWrites {
  /** Memory for the next blob, up to `gatheredBytesMax`; good until the next call. */
  room(length: number): Uint8Array;
  /** Those first bytes of the room belong to the file, at that position. */
  add(file: number, position: number, length: number): void;
  /** Writes what was added. */
  flush(): void;
  /** Forgets it instead. */
  drop(): void;
}

/** Blobs above this are written by themselves. */
export const gatheredBytesMax = 256 * 1024;
/** Much more would leave the processor's cache before it is written. */
const bufferBytes = 2 * gatheredBytesMax;

/** @param write takes neighbouring bytes of one file, and how many parts they were added as; it must not throw. */
export function createGatheredWrites(
  write: (file: number, bytes: Uint8Array, position: number, parts: number) => void,
): GatheredWrites {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let file = -1;
  let position = 0;
  let parts = 0;
  /** What was added lies in [start, end) of the buffer. */
  let start = 0;
  let end = 0;

  function drop(): void {
    parts = 0;
    start = end;
  }

  function flush(): void {
    if (parts === 0) return;
    const bytes = buffer.subarray(start, end);
    const count = parts;
    drop();
    write(file, bytes, position, count);
  }

  return {
    room(length) {
      if (end + length > bufferBytes) {
        flush();
        start = 0;
        end = 0;
      }
      return buffer.subarray(end, end + length);
    },
    add(toFile, toPosition, length) {
      if (parts > 0 && (toFile !== file || toPosition !== position + (end - start))) flush();
      if (parts === 0) {
        file = toFile;
        position = toPosition;
      }
      parts++;
      end += length;
    },
    flush,
    drop,
  };
}
