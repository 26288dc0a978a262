/** Pages of the write-ahead log (src/include/access/xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData). */

/** Bytes of the header of a page, and of the first page of a segment; both with their padding. */
export const shortHeaderBytes = 24;
export const longHeaderBytes = 40;

/** Bits of xlp_info. */
export const pageFlags = {
  /** The page begins with the rest of a record of the page before. */
  continues: 0x0001,
  long: 0x0002,
  /** A crash cut off the record of the page before; it is void, and the page begins with a new one. */
  voidsRecord: 0x0008,
} as const;

/** Majors by xlp_magic. */
const majors: ReadonlyMap<number, number> = new Map([
  [0xd106, 13],
  [0xd10d, 14],
  [0xd110, 15],
  [0xd113, 16],
  [0xd116, 17],
  [0xd118, 18],
]);

/** The server's major version, or null for a magic that is none of PostgreSQL 13 to 18. */
export function majorOfMagic(magic: number): number | null {
  return majors.get(magic) ?? null;
}
