import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { type BlobDecoder, createBlobDecoder } from '../blob-decoder.ts';
import { createSealer, type Sealer } from '../crypto.ts';
import type { BlobTable } from '../index/table.ts';
import type { PackedBlob } from '../pack.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import type { BlobProblem, Jobs, PackSource, RawKey } from './protocol.ts';

/** A span of a pack that is read at once although parts of it are not wanted costs less than a second read. */
const gapBytesMax = 256 * 1024;
const spanBytesMax = 16 * 1024 * 1024;

export function sealerOf(key: RawKey): Sealer {
  const bytes = (part: Uint8Array): Buffer => Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  return createSealer({ encryption: bytes(key.encryption), macK: bytes(key.macK), macR: bytes(key.macR) });
}

/**
 * Calls back with the sealed bytes of each blob, in the order of their offsets, reading neighbours at once.
 * Bytes are null where the pack is too short. @throws system errors of reading the file.
 */
export function eachSealedBlob<T extends { readonly offset: number; readonly length: number }>(
  source: PackSource,
  blobs: readonly T[],
  found: (blob: T, sealed: Uint8Array | null) => void,
): void {
  for (const { blob, sealed } of sealedBlobs(source, blobs, sharedSpan)) found(blob, sealed);
}

/** Memory for what is read at once of a pack; the next read overwrites it. */
export interface SpanBuffer {
  bytes: Buffer;
}

const sharedSpan: SpanBuffer = { bytes: Buffer.alloc(0) };

/** As `eachSealedBlob`, one by one as they are asked for. */
export function* sealedBlobs<T extends { readonly offset: number; readonly length: number }>(
  source: PackSource,
  blobs: readonly T[],
  buffer: SpanBuffer,
): Generator<{ readonly blob: T; readonly sealed: Uint8Array | null }, void> {
  const ordered = [...blobs].sort((a, b) => a.offset - b.offset);
  if ('bytes' in source) {
    for (const blob of ordered) {
      const start = blob.offset - source.offset;
      const inside = start >= 0 && start + blob.length <= source.bytes.length;
      yield { blob, sealed: inside ? source.bytes.subarray(start, start + blob.length) : null };
    }
    return;
  }
  const fd = openSync(source.path, 'r');
  try {
    for (let first = 0; first < ordered.length; ) {
      const start = ordered[first]!.offset;
      let end = start + ordered[first]!.length;
      let next = first + 1;
      for (; next < ordered.length; next++) {
        const blob = ordered[next]!;
        if (blob.offset - end > gapBytesMax || blob.offset + blob.length - start > spanBytesMax) break;
        end = Math.max(end, blob.offset + blob.length);
      }
      const span = readSpan(fd, start, end - start, buffer);
      for (; first < next; first++) {
        const blob = ordered[first]!;
        const at = blob.offset - start;
        yield { blob, sealed: at + blob.length <= span.length ? span.subarray(at, at + blob.length) : null };
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** As `eachSealedBlob`; where the file cannot be read, the blobs not yet read get the reason for their bytes. */
export function eachReadableBlob<T extends { readonly offset: number; readonly length: number }>(
  source: PackSource,
  blobs: readonly T[],
  found: (blob: T, sealed: Uint8Array | null, failure: string | null) => void,
): void {
  const left = new Set(blobs);
  try {
    eachSealedBlob(source, blobs, (blob, sealed) => {
      left.delete(blob);
      found(blob, sealed, null);
    });
  } catch (error) {
    if (errnoOf(error) === '' || error instanceof LifeboatError) throw error;
    for (const blob of left) found(blob, null, messageOf(error));
  }
}

/** Reads a part of a file into memory that the next call overwrites. Shorter where the file ends. */
function readSpan(fd: number, position: number, length: number, buffer: SpanBuffer): Uint8Array {
  if (buffer.bytes.length < length) buffer.bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const n = readSync(fd, buffer.bytes, done, length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return buffer.bytes.subarray(0, done);
}

export interface TransferContext {
  readonly decoderOf: (key: RawKey | null) => BlobDecoder;
  readonly table: BlobTable;
  readonly encoder: BlobEncoder;
}

/**
 * Moves blobs of a pack into new packs, each decoded in full and held against its ID. Within one repository
 * the sealed bytes are then kept as they are. From another repository the compressed bytes are kept and get
 * this one's key. What was stored uncompressed is compressed where the repository compresses.
 */
export function transferBlobs(
  { decoderOf, table, encoder }: TransferContext,
  { source, packName, blobs, foreign }: Jobs['transfer']['input'],
): Jobs['transfer']['output'] {
  const decoder = decoderOf(foreign?.key ?? null);
  const counter = { blobs: 0, bytes: 0, packedBytes: 0 };
  const problems: BlobProblem[] = [];
  const keep = ({ type, uncompressedLength }: PackedBlob): boolean =>
    uncompressedLength === 0 ? !encoder.compresses(type) : foreign === null || encoder.keepsFrames(type);

  eachReadableBlob(source, blobs, (blob, sealed, failure) => {
    const { type, uncompressedLength } = blob;
    const id = Buffer.from(blob.id, 'hex');
    let opened: ReturnType<BlobDecoder['open']>;
    try {
      if (!sealed) throw new Error(failure ?? `pack ${packName} is too short to hold it`);
      opened = decoder.open(blob, sealed);
    } catch (error) {
      problems.push({ blob, message: messageOf(error) });
      return;
    }
    const { plaintext, payload } = opened;
    const entry = foreign ? table.claim(type, id) : -1;
    if (foreign && entry < 0) return;
    counter.blobs++;
    counter.bytes += plaintext.length;
    if (!keep(blob)) counter.packedBytes += encoder.store(type, id, entry, plaintext, null);
    else if (foreign)
      counter.packedBytes += encoder.sealPayload(type, id, entry, payload, uncompressedLength);
    else counter.packedBytes += encoder.append(type, id, entry, sealed!, uncompressedLength);
  });
  return { stored: counter, problems };
}

/**
 * Decoders of this repository (null) and of another one, each made once: it holds buffers and a native
 * context. One other repository at a time is all that a copy needs.
 */
export function createDecoders(own: Sealer): (key: RawKey | null) => BlobDecoder {
  let ownDecoder: BlobDecoder | undefined;
  let foreign: { readonly name: string; readonly decoder: BlobDecoder } | undefined;
  return (key) => {
    if (key === null) {
      ownDecoder ??= createBlobDecoder(own);
      return ownDecoder;
    }
    const name = [key.encryption, key.macK, key.macR].map((part) => Buffer.from(part).toString('hex')).join();
    if (foreign?.name !== name) foreign = { name, decoder: createBlobDecoder(sealerOf(key)) };
    return foreign.decoder;
  };
}
