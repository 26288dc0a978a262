/**
 * Neighbouring parts of a file come as many small blobs and go to the disk in few large writes. Blobs are unpacked
 * to where they are written from, so nothing is copied.
 */
export interface GatheredWrites {
  /** Memory for the next blob, up to `gatheredBytesMax`; good until the next call. */
  room(length: number): Uint8Array;
  /** Those first bytes of the room belong to the file, at that position. `owner` is told when they are written. */
  add(file: number, position: number, length: number, owner: number): void;
  /** Writes what was added. */
  flush(): void;
  /** Forgets it instead. */
  drop(): void;
}

/** Blobs above this are written by themselves. */
export const gatheredBytesMax = 256 * 1024;
/** Much more would leave the processor's cache before it is written. */
const bufferBytes = 2 * gatheredBytesMax;

/** Takes neighbouring bytes of one file, with the owner of each part that they were added as. It must not throw. */
export type WriteGathered = (
  file: number,
  bytes: Uint8Array,
  position: number,
  owners: readonly number[],
) => void;

export function createGatheredWrites(write: WriteGathered): GatheredWrites {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let file = -1;
  let position = 0;
  let owners: number[] = [];
  /** What was added lies in [start, end) of the buffer. */
  let start = 0;
  let end = 0;

  function drop(): void {
    owners = [];
    start = end;
  }

  function flush(): void {
    if (owners.length === 0) return;
    const bytes = buffer.subarray(start, end);
    const told = owners;
    drop();
    write(file, bytes, position, told);
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
    add(toFile, toPosition, length, owner) {
      if (owners.length > 0 && (toFile !== file || toPosition !== position + (end - start))) flush();
      if (owners.length === 0) {
        file = toFile;
        position = toPosition;
      }
      owners.push(owner);
      end += length;
    },
    flush,
    drop,
  };
}
