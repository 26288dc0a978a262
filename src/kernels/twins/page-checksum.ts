/** PostgreSQL's page checksum (src/include/storage/checksum_impl.h) as its definition reads, column by column. */

const columns = 32;
const prime = 16777619;

const seeds = [
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c, 0xf8d4474f,
  0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb, 0xe58f764b, 0x187636bc,
  0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4, 0x783125bb, 0x6ca8eaa2, 0xe407eac6,
  0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
];

function mix(sum: number, value: number): number {
  const mixed = sum ^ value;
  return Math.imul(mixed, prime) ^ (mixed >>> 17);
}

/**
 * @param page a whole page; its own checksum, bytes 8 and 9, counts as zero
 * @param block number of the page in its relation
 * @returns 1 to 65535
 */
export function pageChecksumTwin(page: Uint8Array, block: number): number {
  const copy = Uint8Array.from(page);
  const view = new DataView(copy.buffer);
  view.setUint16(8, 0, true);
  let folded = 0;
  for (let column = 0; column < columns; column++) {
    let sum = seeds[column]!;
    for (let at = 4 * column; at < copy.length; at += 4 * columns) sum = mix(sum, view.getUint32(at, true));
    folded ^= mix(mix(sum, 0), 0);
  }
  return (((folded ^ block) >>> 0) % 65535) + 1;
}

/** Whether a page is to be held against its checksum: not where it is all zeros, nor where its LSN is at least `notFrom`. */
export function isJudgedTwin(page: Uint8Array, notFrom: bigint): boolean {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const lsn = (BigInt(view.getUint32(0, true)) << 32n) | BigInt(view.getUint32(4, true));
  return lsn < notFrom && page.some((byte) => byte !== 0);
}
