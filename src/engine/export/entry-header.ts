import { type ByteString, bytesOfBuffer } from '../../core/bytestring.ts';
import { formatTime } from '../../model/time.ts';
import { blockBytes, padding, tarHeader } from '../dump/tar-header.ts';

/**
 * The tar headers of an export. There is one way to write each, so a reader writes what it has read again and
 * compares: what is not exactly that was damaged or made by something else.
 */

export { blockBytes, padding };

/** A pax header of an export holds one path. */
export const paxBytesMax = 4096;
const paxFlag = 'x';

/**
 * @param name of printable ASCII.
 * @param seconds since 1970: the time of the export.
 */
export function entryHeader(name: string, size: number, seconds: number): Buffer {
  const time = formatTime(seconds, 0, 0);
  const node = {
    name: name as ByteString,
    type: 'file',
    mode: 0o400,
    uid: 0,
    gid: 0,
    content: null,
  } as const;
  return tarHeader({
    type: 'file',
    path: name as ByteString,
    node: { ...node, mtime: time, atime: time, ctime: time },
    target: '' as ByteString,
    size,
  });
}

export interface HeaderFields {
  readonly name: string;
  readonly size: number;
  readonly seconds: number;
  readonly isPax: boolean;
}

const octal = (block: Buffer, start: number, end: number): number => {
  const digits = block.toString('latin1', start, end);
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
};

/** The fields of one block, not yet held against anything. Numbers that cannot be read are NaN. */
export function readFields(block: Buffer): HeaderFields {
  const nameEnd = block.subarray(0, 100).indexOf(0);
  return {
    name: bytesOfBuffer(block.subarray(0, nameEnd < 0 ? 100 : nameEnd)),
    size: octal(block, 124, 135),
    seconds: octal(block, 136, 147),
    isPax: block.toString('latin1', 156, 157) === paxFlag,
  };
}

/** The path that the body of a pax header holds, or null. */
export function pathOfPax(body: Buffer): string | null {
  return /^\d+ path=([^\n]*)\n$/.exec(body.toString('latin1'))?.[1] ?? null;
}
