/** How finely a dump is cut. */

/** As many chunks as a tree still lists in a few MiB: each is 67 bytes there. */
const chunksWanted = 131_072;
/**
 * A chunk costs about 34 bytes in each snapshot, as the tree that lists the chunks is new each time, and more than
 * 100 where it is stored. So it should be about this large when it is compressed.
 */
const storedBytesWanted = 3072;
const chunkBytesMin = 8 * 1024;
const chunkBytesMax = 1024 * 1024;

const powerOfTwo = (bytes: number, round: (power: number) => number): number =>
  2 ** round(Math.log2(Math.max(1, bytes)));

function fitting(databaseBytes: number, compression: number): number {
  const byNumber = powerOfTwo(databaseBytes / chunksWanted, Math.ceil);
  const byCost = powerOfTwo(storedBytesWanted * compression, Math.round);
  return Math.min(chunkBytesMax, Math.max(chunkBytesMin, byNumber, byCost));
}

/** Rows of text and numbers. */
export const usualCompression = 3;

/**
 * Bytes of a chunk on average. A changed row costs the chunk that it lies in, so chunks are small; in large
 * databases that would be too many, and in data that compresses well they would cost more than what they hold.
 * What the last backup used is kept while it is not far off: with another size everything would be stored again.
 *
 * @param databaseBytes of the database on the server.
 * @param compression how many times smaller its rows become.
 */
export function dumpChunkBytes(databaseBytes: number, compression: number): number {
  return fitting(databaseBytes, compression);
}

/** @param previous bytes of a chunk in the last backup. */
export function keepsChunkBytes(databaseBytes: number, previous: number): boolean {
  return previous >= chunkBytesMin && previous >= fitting(databaseBytes, 1) / 4;
}
