import { bindNative, selfTested } from './native.ts';

/** A fast checksum of 64 bits, for noticing that memory changed; null where there is none. */
export type Checksum = (data: Uint8Array) => bigint | null;

/** XXH64 (xxhash spec 0.1.1) with seed 0, as zstd in the Node binary carries it. */
export function createNativeChecksum(): Checksum | null {
  const zstd = bindNative({ ZSTD_XXH64: { arguments: ['buffer', 'uint64', 'uint64'], return: 'uint64' } });
  if (zstd === null) return null;
  return (data) => zstd.ZSTD_XXH64(data, BigInt(data.length), 0n);
}

/** The test vectors of XXH64 for "abc". */
const passes = (candidate: Checksum): boolean =>
  candidate(Buffer.from('abc', 'latin1')) === 0x44bc2cf5ad770999n;

let chosen: Checksum | undefined;

/** XXH64, or null for anything where this Node offers none. */
export const checksum: Checksum = (data) => {
  chosen ??= selfTested(createNativeChecksum, passes) ?? (() => null);
  return chosen(data);
};
