import type { Lsn } from '../../../model/wal.ts';
import { longHeaderBytes, majorOfMagic, pageFlags, shortHeaderBytes } from './page-header.ts';
import {
  isMarkRecord,
  isSwitch,
  type RecordMark,
  readMark,
  recordHeaderBytes,
  recordIsIntact,
} from './record.ts';

/** Where a transaction ended, or a restore point was made. */
export type WalMark = RecordMark & {
  /** Of the record; recovery compares this with its target. */
  readonly lsn: Lsn;
  /** Behind the record and its padding: with the log up to here the record can be replayed. */
  readonly endLsn: Lsn;
};

export interface WalScanner {
  /**
   * Reads on. Bytes may be cut anywhere; where `lsn` is not the end of what was read last, reading starts anew
   * at the next beginning of a page, with the first record that begins there.
   * @returns the marks whose records end in these bytes, in their order.
   */
  feed(lsn: Lsn, bytes: Uint8Array): WalMark[];
  /** Why nothing is read until the next segment or break, such as the end of the log; null where all is well. */
  readonly stopped: { readonly lsn: Lsn; readonly reason: string } | null;
  /** Behind the last record that was read to its end; null where there was none since reading began anew. */
  readonly recordsEnd: Lsn | null;
  /** The beginning of the last record that was read from its beginning to its end; null where there was none. */
  readonly lastRecord: Lsn | null;
}

/** MaxAllocSize: no record is larger (XLogRecordMaxSize). */
const recordBytesMax = 1020 * 1024 * 1024;

const alignment = 8;
const aligned = (value: number): number => value + ((alignment - (value % alignment)) % alignment);
const none = -1;
/** RM_XLOG_ID and RM_XACT_ID are 0 and 1. */
const lastRmgrOfInterest = 1;

/**
 * Follows the records of a log through its pages (XLogReadRecord in xlogreader.c) and picks out those at which
 * recovery may stop. Bodies of all others are passed over unread. Positions are numbers here, as 2^53 bytes of
 * log are out of reach.
 */
export function createWalScanner(options: {
  readonly segmentBytes: number;
  readonly blockBytes?: number;
}): WalScanner {
  const { segmentBytes, blockBytes = 8192 } = options;

  /** The next byte, and whether reading has begun. */
  let position = none;
  let major = 0;
  let stopped: { lsn: Lsn; reason: string } | null = null;
  /** Bytes up to here are passed over: to a page, to the end of a segment. */
  let skipTo = 0;
  /** A page's or a record's header that is cut. */
  const header = new Uint8Array(longHeaderBytes);
  const headerView = new DataView(header.buffer);
  let headerFill = 0;
  let recordHeader = new Uint8Array(recordHeaderBytes);
  let recordFill = 0;
  /** The record being read: bytes of its body to come, its beginning, and its bytes where it is wanted. */
  let bodyLeft = 0;
  let recordStart = none;
  let switching = false;
  let collected: Uint8Array | null = null;
  let collectedFill = 0;
  let previousStart = none;
  let recordsEnd = none;
  let lastRecord = none;
  let marks: WalMark[] = [];

  const stop = (reason: string): void => {
    stopped = { lsn: BigInt(recordStart === none ? position : recordStart), reason };
    restartAt(Math.ceil(position / segmentBytes) * segmentBytes);
  };

  function restartAt(next: number): void {
    skipTo = next;
    headerFill = 0;
    recordFill = 0;
    bodyLeft = 0;
    recordStart = none;
    previousStart = none;
    switching = false;
    collected = null;
  }

  /** The functions below return why the log cannot be read on, or null. */
  function endRecord(): string | null {
    const end = aligned(position);
    skipTo = end;
    if (collected === null) recordsEnd = end;
    if (recordStart === none) return null; // its beginning was not seen
    if (collected !== null) {
      const record = collected;
      collected = null;
      const view = new DataView(record.buffer);
      if (!recordIsIntact(view, record, 0, record.length)) return 'a record has a wrong checksum';
      recordsEnd = end;
      const mark = readMark(view, 0, record.length, major);
      if (mark) marks.push({ ...mark, lsn: BigInt(recordStart), endLsn: BigInt(end) });
    }
    previousStart = recordStart;
    lastRecord = recordStart;
    recordStart = none;
    if (switching) {
      switching = false;
      // The rest of the segment is void, also where the record ends with its last byte.
      if (end % segmentBytes !== 0) recordsEnd = skipTo = end + segmentBytes - (end % segmentBytes);
    }
    return null;
  }

  /** @param start of the record @param bytes holds its header from `at` on */
  function beginRecord(start: number, view: DataView, at: number): string | null {
    recordStart = start;
    const length = view.getUint32(at, true);
    if (length === 0) return 'the log ends here';
    if (length < recordHeaderBytes || length > recordBytesMax) return 'a record has no valid length';
    const previous = view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 0x1_0000_0000;
    if (previousStart === none ? previous >= start : previous !== previousStart) {
      return 'a record does not follow the one before it';
    }
    const info = view.getUint8(at + 16);
    const rmgr = view.getUint8(at + 17);
    bodyLeft = length - recordHeaderBytes;
    if (rmgr <= lastRmgrOfInterest) {
      switching = isSwitch(rmgr, info);
      if (isMarkRecord(rmgr, info)) {
        collected = new Uint8Array(length);
        collected.set(new Uint8Array(view.buffer, view.byteOffset + at, recordHeaderBytes));
        collectedFill = recordHeaderBytes;
      }
    }
    return bodyLeft === 0 ? endRecord() : null;
  }

  function beginPage(): string | null {
    const page = position - headerFill;
    headerFill = 0;
    const magic = headerView.getUint16(0, true);
    const found = majorOfMagic(magic);
    if (found === null) return magic === 0 ? 'the log ends here' : 'a page has no valid header';
    major = found;
    if (Number(headerView.getBigUint64(8, true)) !== page) return 'a page is that of another position';
    const flags = headerView.getUint16(2, true);
    const left = headerView.getUint32(16, true);
    const inRecord = bodyLeft > 0 || recordFill > 0;
    if (flags & pageFlags.voidsRecord && inRecord) {
      const kept = previousStart;
      restartAt(position);
      previousStart = kept;
    } else if (flags & pageFlags.continues) {
      if (!inRecord && previousStart === none) bodyLeft = left;
      else if (!inRecord || (recordFill === 0 && left !== bodyLeft)) {
        return 'a page continues another record';
      }
    } else if (inRecord) return 'a record breaks off';
    stopped = null;
    return null;
  }

  /**
   * Reads the records from `at` on that lie whole before `limit`, as nearly all do.
   * @param offset position of the first of the bytes
   * @returns where the first record begins that is cut, ends a segment or has a flaw; it may be `limit`.
   */
  function readWhole(view: DataView, bytes: Uint8Array, at: number, limit: number, offset: number): number {
    let next = at;
    let before = previousStart;
    while (next + recordHeaderBytes <= limit) {
      const length = view.getUint32(next, true);
      const end = next + ((length + alignment - 1) & -alignment);
      if (length < recordHeaderBytes || length > blockBytes || end > limit) break;
      const previous = view.getUint32(next + 8, true) + view.getUint32(next + 12, true) * 0x1_0000_0000;
      if (previous !== before) break;
      const rmgr = view.getUint8(next + 17);
      if (rmgr <= lastRmgrOfInterest) {
        const info = view.getUint8(next + 16);
        if (isSwitch(rmgr, info)) break;
        if (isMarkRecord(rmgr, info)) {
          if (!recordIsIntact(view, bytes, next, next + length)) break;
          const mark = readMark(view, next, next + length, major);
          if (mark) marks.push({ ...mark, lsn: BigInt(offset + next), endLsn: BigInt(offset + end) });
        }
      }
      before = offset + next;
      next = end;
    }
    if (next > at) {
      previousStart = before;
      lastRecord = before;
      recordsEnd = offset + next;
    }
    return next;
  }

  function feed(lsn: Lsn, bytes: Uint8Array): WalMark[] {
    const start = Number(lsn);
    if (start !== position) {
      position = start;
      stopped = null;
      recordsEnd = none;
      lastRecord = none;
      restartAt(start % blockBytes === 0 ? start : start + blockBytes - (start % blockBytes));
    }
    marks = [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = start + bytes.length;
    while (position < end) {
      if (position < skipTo) {
        position = Math.min(skipTo, end);
        continue;
      }
      let problem: string | null = null;
      const at = position - start;
      const inPage = position % blockBytes;
      const headerBytes = (position - inPage) % segmentBytes === 0 ? longHeaderBytes : shortHeaderBytes;
      if (inPage < headerBytes) {
        const count = Math.min(headerBytes - inPage, bytes.length - at);
        header.set(bytes.subarray(at, at + count), headerFill);
        headerFill += count;
        position += count;
        if (headerFill === headerBytes) problem = beginPage();
        if (problem !== null) stop(problem);
        continue;
      }
      const available = Math.min(blockBytes - inPage, bytes.length - at);
      if (bodyLeft > 0) {
        const count = Math.min(available, bodyLeft);
        if (collected !== null) {
          collected.set(bytes.subarray(at, at + count), collectedFill);
          collectedFill += count;
        }
        position += count;
        bodyLeft -= count;
        if (bodyLeft === 0) problem = endRecord();
      } else if (recordFill === 0 && available >= recordHeaderBytes) {
        if (previousStart !== none) {
          const next = readWhole(view, bytes, at, at + available, start);
          position = start + next;
          if (next > at) continue;
        }
        position += recordHeaderBytes;
        problem = beginRecord(position - recordHeaderBytes, view, at);
      } else {
        if (recordFill === 0) {
          recordStart = position;
          recordHeader = new Uint8Array(recordHeaderBytes);
        }
        const count = Math.min(available, recordHeaderBytes - recordFill);
        recordHeader.set(bytes.subarray(at, at + count), recordFill);
        recordFill += count;
        position += count;
        if (recordFill === recordHeaderBytes) {
          recordFill = 0;
          problem = beginRecord(recordStart, new DataView(recordHeader.buffer), 0);
        }
      }
      if (problem !== null) stop(problem);
    }
    return marks;
  }

  return {
    feed,
    get stopped() {
      return stopped;
    },
    get recordsEnd() {
      return recordsEnd === none ? null : BigInt(recordsEnd);
    },
    get lastRecord() {
      return lastRecord === none ? null : BigInt(lastRecord);
    },
  };
}
