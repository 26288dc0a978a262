import { crc32c } from './crc32c.ts';

/** Records of the log (src/include/access/xlogrecord.h), as far as recovery stops at them. */

/** Bytes of XLogRecord. */
export const recordHeaderBytes = 24;

/** Resource managers (src/include/access/rmgrlist.h). */
const rmgrXlog = 0;
const rmgrXact = 1;
/** Kinds of records in the upper bits of xl_info (pg_control.h, xact.h). */
const xlogSwitch = 0x40;
const xlogRestorePoint = 0x70;
const xactOperations = 0x70;
const xactKinds = {
  0: 'commit',
  32: 'abort',
  48: 'commit-prepared',
  64: 'abort-prepared',
} as const;
const xactHasInfo = 0x80;

export type TransactionEnd = (typeof xactKinds)[keyof typeof xactKinds];

export interface TransactionMark {
  readonly kind: TransactionEnd;
  /** Of the transaction that ended, not of its subtransactions. */
  readonly xid: number;
  /** The server's clock, milliseconds since 1970 with fraction. */
  readonly timeMs: number;
}

export interface RestorePointMark {
  readonly kind: 'restore-point';
  readonly name: string;
  readonly timeMs: number;
}

export type RecordMark = TransactionMark | RestorePointMark;

export const isSwitch = (rmgr: number, info: number): boolean =>
  rmgr === rmgrXlog && (info & 0xf0) === xlogSwitch;

/** Whether recovery may stop at such a record. */
export function isMarkRecord(rmgr: number, info: number): boolean {
  if (rmgr === rmgrXact) return (info & xactOperations) in xactKinds;
  return rmgr === rmgrXlog && (info & 0xf0) === xlogRestorePoint;
}

/** TimestampTz counts microseconds from 2000-01-01. */
const epochDifferenceMs = 946_684_800_000;

function readTimeMs(view: DataView, at: number): number {
  return epochDifferenceMs + Number(view.getBigInt64(at, true)) / 1000;
}

/** Where the main data of a record without block references begins (XLogRecordAssemble), or null. */
function findMainData(view: DataView, start: number, end: number): number | null {
  let at = start + recordHeaderBytes;
  while (at < end) {
    const id = view.getUint8(at);
    if (id === 255) return at + 2;
    if (id === 254) return at + 5;
    if (id === 253) at += 3;
    else if (id === 252) at += 5;
    else return null;
  }
  return null;
}

/** Whether xl_crc holds: it covers what follows the header, then the header itself up to the sum. */
export function recordIsIntact(view: DataView, bytes: Uint8Array, at: number, end: number): boolean {
  const sum = crc32c(bytes, at, at + 20, crc32c(bytes, at + recordHeaderBytes, end));
  return sum === view.getUint32(at + 20, true);
}

/**
 * The transaction of COMMIT PREPARED and ROLLBACK PREPARED, which is not the record's own (ParseCommitRecord
 * and ParseAbortRecord in xactdesc.c).
 * @param view from behind xact_time to the end of the record
 */
function readPreparedXid(view: DataView, major: number): number {
  let position = 4;
  const info = view.getUint32(0, true);
  const skipList = (itemBytes: number): void => {
    position += 4 + view.getUint32(position, true) * itemBytes;
  };
  if (info & 0x01) position += 8; // database and tablespace
  if (info & 0x02) skipList(4); // subtransactions
  if (info & 0x04) skipList(12); // files of relations
  if (info & 0x100) skipList(major >= 18 ? 16 : 12); // dropped statistics
  if (info & 0x08) skipList(16); // invalidation messages
  return view.getUint32(position, true);
}

/**
 * What the whole record in [at, end) says for which `isMarkRecord` holds.
 * @returns null where its content is none of that kind.
 */
export function readMark(view: DataView, at: number, end: number, major: number): RecordMark | null {
  const main = findMainData(view, at, end);
  if (main === null || main + 8 > end) return null;
  const timeMs = readTimeMs(view, main);
  const info = view.getUint8(at + 16);
  if (view.getUint8(at + 17) === rmgrXlog) {
    const text = Buffer.from(view.buffer, view.byteOffset + main + 8, end - main - 8);
    const length = text.indexOf(0);
    return {
      kind: 'restore-point',
      timeMs,
      name: text.toString('utf8', 0, length < 0 ? text.length : length),
    };
  }
  const kind = xactKinds[(info & xactOperations) as keyof typeof xactKinds];
  if (kind === 'commit' || kind === 'abort') return { kind, xid: view.getUint32(at + 4, true), timeMs };
  if ((info & xactHasInfo) === 0) return null;
  try {
    const rest = new DataView(view.buffer, view.byteOffset + main + 8, end - main - 8);
    return { kind, xid: readPreparedXid(rest, major), timeMs };
  } catch (error) {
    if (error instanceof RangeError) return null; // a list says that it goes on behind the record's end
    throw error;
  }
}
