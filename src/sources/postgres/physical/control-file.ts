import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../../../core/errors.ts';
import type { Lsn } from '../../../model/wal.ts';

/** pg_control (src/include/catalog/pg_control.h): the cluster's identity and its last checkpoint. */

/** The structure may not outgrow a sector; the file is padded with zeros. */
const controlBytesMax = 512;
/** The checksum is the structure's last field; versions differ in the length before it. */
const controlBytesMin = 200;

let table: Uint32Array | undefined;

/** CRC-32C (Castagnoli), as pg_crc32c.h computes it. */
export function crc32c(bytes: Uint8Array): number {
  if (!table) {
    table = new Uint32Array(256);
    for (let n = 0; n < 256; n++) {
      let value = n;
      for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
      table[n] = value >>> 0;
    }
  }
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Whether the content is whole: at some place behind its fields stands the checksum of all before it. */
export function isWholeControlFile(bytes: Uint8Array): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let end = controlBytesMin; end + 4 <= Math.min(controlBytesMax, bytes.length); end += 4) {
    // Zeros behind the structure would be the checksum of nothing.
    const stored = view.readUInt32LE(end);
    if (stored !== 0 && crc32c(view.subarray(0, end)) === stored) return true;
  }
  return false;
}

/** The cluster's identity in decimal: the first field. */
export function systemIdentifierOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64LE(0).toString();
}

/** Where the last checkpoint's recovery begins: the first field of its copy (ControlFileData.checkPointCopy). */
export function redoOf(bytes: Uint8Array): Lsn {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64LE(redoAt);
}

const redoAt = 40;
const attemptsMax = 50;
const pauseMs = 20;

/**
 * Reads pg_control until its checksum holds: the server may be writing it.
 * @throws LifeboatError `source-unreadable`; system errors where the file cannot be read.
 */
export async function readControlFile(dataDirectory: string): Promise<Buffer> {
  const path = join(dataDirectory, 'global', 'pg_control');
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const bytes = readFileSync(path);
    if (isWholeControlFile(bytes)) return bytes;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new LifeboatError('source-unreadable', `the checksum of ${path} is wrong, however often it is read`, {
    hint: 'the control file of this cluster is damaged: keep the server running, dump it with `method: logical`, and look at its disk',
  });
}
