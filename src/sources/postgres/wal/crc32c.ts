/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as WAL records carry it (src/port/pg_crc32c_sb8.c). */

const polynomial = 0x82f63b78;

/** Table `n` advances a byte over `n` further bytes of zero. */
const tables: readonly Uint32Array[] = (() => {
  const made = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    made[0]![byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let n = 1; n < 4; n++) {
      const before = made[n - 1]![byte]!;
      made[n]![byte] = (before >>> 8) ^ made[0]![before & 0xff]!;
    }
  }
  return made;
})();

/** Continues a checksum; begin with 0. */
export function crc32c(bytes: Uint8Array, from: number, to: number, crc = 0): number {
  const [t0, t1, t2, t3] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let value = ~crc;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    value ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    value = t3[value & 0xff]! ^ t2[(value >>> 8) & 0xff]! ^ t1[(value >>> 16) & 0xff]! ^ t0[value >>> 24]!;
  }
  for (; at < to; at++) value = (value >>> 8) ^ t0[(value ^ bytes[at]!) & 0xff]!;
  return ~value >>> 0;
}
