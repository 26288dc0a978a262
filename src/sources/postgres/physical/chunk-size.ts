const kibibyte = 1024;
const gibibyte = 1024 ** 3;

/**
 * Bytes of a blob of a relation's file. Small ones make a changed page cheap; each costs about 58 bytes of memory in
 * the index. A cluster keeps the size of its first backup, or everything would be stored anew when it grows.
 */
export function chunkBytesFor(clusterBytes: number): number {
  if (clusterBytes <= 64 * gibibyte) return 32 * kibibyte;
  if (clusterBytes <= 256 * gibibyte) return 64 * kibibyte;
  if (clusterBytes <= 1024 * gibibyte) return 128 * kibibyte;
  return 256 * kibibyte;
}
