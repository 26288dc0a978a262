import { LifeboatError } from '../core/errors.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import { type Sealer, sealOverheadBytes } from './crypto.ts';
import type { BlobType } from './index/table.ts';

/**
 * A pack: blobs one after the other, then the encrypted header, then the header's length as u32 LE
 * (doc/design.rst "Pack Format", internal/repository/pack/pack.go).
 */

export interface PackedBlob {
  readonly type: BlobType;
  readonly id: Id;
  readonly offset: number;
  /** Stored bytes, envelope included. */
  readonly length: number;
  /** 0 where stored uncompressed. */
  readonly uncompressedLength: number;
}

export const plainEntryBytes = 37;
export const compressedEntryBytes = 41;
const lengthFieldBytes = 4;
const headerBytesMax = 16 * 1024 * 1024;
/** Least header: one entry. */
const packBytesMin = plainEntryBytes + sealOverheadBytes + lengthFieldBytes;

/** Most entries that a header may hold. */
export const packEntriesMax = Math.floor((headerBytesMax - sealOverheadBytes) / compressedEntryBytes);

/** What a pack with these header entries weighs beyond its blobs. */
export function headerFileBytes(entryBytes: number): number {
  return entryBytes + sealOverheadBytes + lengthFieldBytes;
}

/** Writes one header entry at `offset` and returns its size in bytes. */
export function writeHeaderEntry(
  target: Buffer,
  offset: number,
  type: BlobType,
  id: Uint8Array,
  length: number,
  uncompressedLength: number,
): number {
  const compressed = uncompressedLength !== 0;
  target[offset] = (type === 'tree' ? 1 : 0) + (compressed ? 2 : 0);
  let at = target.writeUInt32LE(length, offset + 1);
  if (compressed) at = target.writeUInt32LE(uncompressedLength, at);
  target.set(id, at);
  return at + 32 - offset;
}

/**
 * Decodes a decrypted header.
 * @param blobBytes size of the pack before its header, which the blobs must fill exactly.
 * @throws LifeboatError `repository-damaged`.
 */
export function parseHeader(header: Uint8Array, blobBytes: number, packName: string): PackedBlob[] {
  const view = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const damaged = (why: string) =>
    new LifeboatError('repository-damaged', `the header of pack ${packName} ${why}`);
  const blobs: PackedBlob[] = [];
  let at = 0;
  let offset = 0;
  while (at < view.length) {
    const kind = view[at]!;
    if (kind > 3) throw damaged(`has an entry of the unknown type ${kind}`);
    const compressed = kind >= 2;
    const entryBytes = compressed ? compressedEntryBytes : plainEntryBytes;
    if (at + entryBytes > view.length) throw damaged('ends in the middle of an entry');
    const length = view.readUInt32LE(at + 1);
    const uncompressedLength = compressed ? view.readUInt32LE(at + 5) : 0;
    if (length < sealOverheadBytes) throw damaged(`has a blob of ${length} bytes, shorter than any envelope`);
    blobs.push({
      type: kind & 1 ? 'tree' : 'data',
      id: idOfBytes(view.subarray(at + entryBytes - 32, at + entryBytes)),
      offset,
      length,
      uncompressedLength,
    });
    offset += length;
    at += entryBytes;
  }
  if (offset !== blobBytes)
    throw damaged(`describes ${offset} bytes of blobs where the pack has ${blobBytes}`);
  return blobs;
}

/** Where a pack's header lies, from its last four bytes. @throws LifeboatError `repository-damaged`. */
export function headerSpan(
  packBytes: number,
  lastFour: Uint8Array,
  packName: string,
): { start: number; length: number } {
  if (packBytes < packBytesMin)
    throw new LifeboatError(
      'repository-damaged',
      `pack ${packName} has only ${packBytes} bytes, shorter than any pack`,
    );
  const length = Buffer.from(lastFour).readUInt32LE(0);
  const start = packBytes - lengthFieldBytes - length;
  if (length < sealOverheadBytes + plainEntryBytes || length > headerBytesMax || start < 0)
    throw new LifeboatError(
      'repository-damaged',
      `pack ${packName} states an impossible header length of ${length} bytes`,
    );
  return { start, length };
}

/** Decrypts and decodes the header of a pack whose end (at least the header) is given. */
export function openHeader(
  sealer: Sealer,
  sealedHeader: Uint8Array,
  blobBytes: number,
  packName: string,
): PackedBlob[] {
  const header = sealer.open(sealedHeader);
  if (!header)
    throw new LifeboatError(
      'repository-damaged',
      `the header of pack ${packName} cannot be decrypted: it is damaged`,
    );
  return parseHeader(header, blobBytes, packName);
}

/** First guess at what holds a header, so that most packs need one read: the length field and 15 entries. */
const eagerTailBytes = 15 * compressedEntryBytes + sealOverheadBytes + lengthFieldBytes;

/**
 * Reads a pack's header by ranged reads from its end.
 * @param read returns `length` bytes from `offset`, fewer only at the end of the file.
 */
export async function readHeader(
  sealer: Sealer,
  packName: string,
  packBytes: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): Promise<PackedBlob[]> {
  const tailBytes = Math.min(packBytes, eagerTailBytes);
  const tail = await read(packBytes - tailBytes, tailBytes);
  if (tail.length !== tailBytes || tailBytes < lengthFieldBytes)
    throw new LifeboatError(
      'repository-damaged',
      `pack ${packName} is shorter than the ${packBytes} bytes it should have`,
    );
  const { start, length } = headerSpan(packBytes, tail.subarray(tail.length - lengthFieldBytes), packName);
  const inTail = start - (packBytes - tailBytes);
  const sealed = inTail >= 0 ? tail.subarray(inTail, inTail + length) : await read(start, length);
  if (sealed.length !== length)
    throw new LifeboatError('repository-damaged', `pack ${packName} ends inside its header`);
  return openHeader(sealer, sealed, start, packName);
}
