import type { Lsn } from '../../../model/wal.ts';
import { longHeaderBytes, majorOfMagic, pageFlags } from './page-header.ts';

/** What the first page of a segment says of the cluster that wrote it (XLogLongPageHeaderData). */
export interface SegmentHeader {
  /** Of the server, such as 15. */
  readonly major: number;
  /** Decimal, unsigned 64 bits. */
  readonly systemIdentifier: string;
  /** Of the page: an ancestor's, where the segment begins before its timeline does. */
  readonly timeline: number;
  /** Where the segment begins. */
  readonly pageLsn: Lsn;
  readonly segmentBytes: number;
  readonly blockBytes: number;
}

export type SegmentHeaderResult =
  | { readonly header: SegmentHeader; readonly reason: null }
  | { readonly header: null; readonly reason: string };

const invalid = (reason: string): SegmentHeaderResult => ({ header: null, reason });

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/**
 * Reads the header of a segment from its first 40 bytes or more.
 * @returns why it is none, in words that follow "the file ", where the bytes are not the beginning of a segment.
 */
export function readSegmentHeader(bytes: Uint8Array): SegmentHeaderResult {
  if (bytes.length < longHeaderBytes) return invalid(`is too short: ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, longHeaderBytes);
  const magic = view.getUint16(0, true);
  const major = majorOfMagic(magic);
  if (major === null) {
    return invalid(`is no WAL of PostgreSQL 13 to 18: it begins with 0x${magic.toString(16).toUpperCase()}`);
  }
  if ((view.getUint16(2, true) & pageFlags.long) === 0) return invalid('has no header of a segment');
  const header: SegmentHeader = {
    major,
    timeline: view.getUint32(4, true),
    pageLsn: view.getBigUint64(8, true),
    systemIdentifier: view.getBigUint64(24, true).toString(),
    segmentBytes: view.getUint32(32, true),
    blockBytes: view.getUint32(36, true),
  };
  if (!isPowerOfTwo(header.segmentBytes) || header.segmentBytes < 1 << 20) {
    return invalid(`says that its segments have ${header.segmentBytes} bytes`);
  }
  if (!isPowerOfTwo(header.blockBytes) || header.blockBytes < 1 << 10) {
    return invalid(`says that its pages have ${header.blockBytes} bytes`);
  }
  if (header.pageLsn % BigInt(header.segmentBytes) !== 0n) return invalid('begins amid a segment');
  return { header, reason: null };
}
