import type { Chunker } from './rabin.ts';

/** Small enough that what was just read is still in the core's cache when it is scanned and hashed. */
const readBytes = 1024 * 1024;

/** Reads the next bytes of a file into `into` and returns how many; 0 at the end. What it throws passes through. */
export type ReadInto = (into: Uint8Array) => number;

/**
 * Cuts a file of any size into restic's chunks with the chunker's fixed memory.
 *
 * @returns a function that gives the next chunk, or null behind the last one (at once for an empty file).
 *   A chunk is a view of the chunker's input, valid until the next call or the next file.
 */
export function readChunks(chunker: Chunker, read: ReadInto): () => Uint8Array | null {
  const { input } = chunker;
  let start = 0;
  let held = 0;
  let scanned = 0;
  let ended = false;

  function fill(): void {
    if (held === input.length) {
      input.copyWithin(0, start, held);
      scanned -= start;
      held -= start;
      start = 0;
    }
    const length = read(input.subarray(held, Math.min(held + readBytes, input.length)));
    held += length;
    ended = length === 0;
  }

  return () => {
    for (;;) {
      const cut = held > start || ended ? chunker.nextCut(start, held, ended, scanned) : -1;
      if (cut >= 0) {
        if (cut === start) return null;
        const chunk = input.subarray(start, cut);
        start = cut;
        scanned = cut;
        return chunk;
      }
      scanned = held;
      fill();
    }
  };
}
