const kibibyte = 1024;
const gibibyte = 1024 ** 3;

/**
 * Bytes of a blob of a relation's file. Small ones make a changed page cheap; each costs about 58 bytes of memory in
 * the index, and 67 bytes in the tree of its folder, which every change to the folder stores anew. A cluster keeps
 * the size of its last backup, or everything would be stored anew when it grows.
 */
export function chunkBytesFor(clusterBytes: number): number {
  if (clusterBytes <= 16 * gibibyte) return 32 * kibibyte;
  if (clusterBytes <= 128 * gibibyte) return 64 * kibibyte;
  if (clusterBytes <= 512 * gibibyte) return 128 * kibibyte;
  return 256 * kibibyte;
}
