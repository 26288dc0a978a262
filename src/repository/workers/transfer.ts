import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
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
  const ordered = [...blobs].sort((a, b) => a.offset - b.offset);
  if ('bytes' in source) {
    for (const blob of ordered) {
      const start = blob.offset - source.offset;
      const inside = start >= 0 && start + blob.length <= source.bytes.length;
      found(blob, inside ? source.bytes.subarray(start, start + blob.length) : null);
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
      const span = readSpan(fd, start, end - start);
      for (; first < next; first++) {
        const blob = ordered[first]!;
        const at = blob.offset - start;
        found(blob, at + blob.length <= span.length ? span.subarray(at, at + blob.length) : null);
      }
    }
  } finally {
    closeSync(fd);
  }
}

let spanBuffer = Buffer.alloc(0);

/** Reads a part of a file into memory that the next call overwrites. Shorter where the file ends. */
function readSpan(fd: number, position: number, length: number): Uint8Array {
  if (spanBuffer.length < length) spanBuffer = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const n = readSync(fd, spanBuffer, done, length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return spanBuffer.subarray(0, done);
}

export interface TransferContext {
  readonly sealer: Sealer;
  readonly table: BlobTable;
  readonly encoder: BlobEncoder;
}

/**
 * Moves blobs of a pack into new packs. Within one repository the sealed bytes are kept as they are once
 * their tag, compression and hash were verified: no second compression. From another repository they are
 * decoded, and encoded with this one's key.
 */
export function transferBlobs(
  context: TransferContext,
  input: Jobs['transfer']['input'],
): Jobs['transfer']['output'] {
  const decoder: BlobDecoder = createBlobDecoder(
    input.foreign ? sealerOf(input.foreign.key) : context.sealer,
  );
  const counter = { blobs: 0, bytes: 0, packedBytes: 0 };
  const problems: BlobProblem[] = [];
  eachSealedBlob(input.source, input.blobs, (blob: PackedBlob, sealed) => {
    const id = Buffer.from(blob.id, 'hex');
    let plaintext: Uint8Array;
    try {
      if (!sealed) throw new Error(`pack ${input.packName} is too short to hold it`);
      plaintext = decoder.decode(blob, sealed);
    } catch (error) {
      problems.push({ blob, message: messageOf(error) });
      return;
    }
    const entry = input.foreign ? context.table.claim(blob.type, id) : -1;
    if (input.foreign && entry < 0) return;
    counter.blobs++;
    counter.bytes += plaintext.length;
    counter.packedBytes += input.foreign
      ? context.encoder.store(blob.type, id, entry, plaintext, null)
      : context.encoder.append(blob.type, id, entry, sealed!, blob.uncompressedLength);
  });
  return { stored: counter, problems };
}
