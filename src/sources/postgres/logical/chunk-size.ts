/** How finely a dump is cut. */

/** As many chunks as a tree still lists in a few MiB: each is 67 bytes there. */
const chunksWanted = 131_072;
const chunkBytesMin = 8 * 1024;
const chunkBytesMax = 1024 * 1024;

const fitting = (bytes: number): number => {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, bytes / chunksWanted)));
  return Math.min(chunkBytesMax, Math.max(chunkBytesMin, wanted));
};

/**
 * Bytes of a chunk on average. A changed row costs the chunk that it lies in, so small databases are cut finely;
 * in large ones that would be too many chunks. What the last backup used is kept while it is not far off: with
 * another size everything would be stored again.
 *
 * @param databaseBytes of the database on the server.
 */
export function dumpChunkBytes(databaseBytes: number, previous: number | null): number {
  const wanted = fitting(databaseBytes);
  const near = previous !== null && previous >= wanted / 4 && previous <= wanted * 4;
  return near ? previous : wanted;
}
