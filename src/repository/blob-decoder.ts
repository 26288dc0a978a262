import { LifeboatError, messageOf } from '../core/errors.ts';
import { sha256, sha256Bytes } from '../kernels/sha256.ts';
import { createDecompressor } from '../kernels/zstd.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import type { Sealer } from './crypto.ts';
import { sealOverheadBytes } from './crypto.ts';

/** What is needed to turn stored bytes back into a blob. */
export interface SealedBlob {
  readonly id: Id;
  readonly uncompressedLength: number;
}

/**
 * No writer makes blobs above this size: chunks end at 8 MiB, and a tree this large would list millions of
 * files. A larger stated size is damage or a bomb.
 */
export const blobBytesMax = 1024 * 1024 * 1024;

export interface BlobDecoder {
  /**
   * Decrypts, decompresses and checks the hash.
   * @returns a view of memory that the next call overwrites.
   * @throws LifeboatError `repository-damaged` naming the blob.
   */
  decode(blob: SealedBlob, sealed: Uint8Array): Uint8Array;
  /**
   * As `decode`, for many small blobs: the ID is its 32 bytes, and the plaintext comes to lie at the beginning of
   * `target`. Where it throws, what is in `target` is no plaintext of anything.
   * @returns the bytes of the plaintext. @throws also where `target` is too small.
   */
  decodeInto(id: Uint8Array, uncompressedLength: number, sealed: Uint8Array, target: Uint8Array): number;
  /**
   * As `decode`, and answers what was in the envelope too: the zstd frame of a compressed blob, else the
   * plaintext itself. Both are views of memory that the next call overwrites.
   */
  open(blob: SealedBlob, sealed: Uint8Array): { plaintext: Uint8Array; payload: Uint8Array };
}

/** One decoder a thread; its buffers are reused from blob to blob. */
export function createBlobDecoder(sealer: Sealer): BlobDecoder {
  const decompressor = createDecompressor();
  let opened = Buffer.alloc(0);
  let unpacked = Buffer.alloc(0);

  const digest = Buffer.alloc(sha256Bytes);

  const damaged = (id: Id, why: string, cause?: unknown): LifeboatError =>
    new LifeboatError('repository-damaged', `blob ${id} ${why}`, { cause });

  function bufferFor(length: number): Buffer {
    if (unpacked.length < length) unpacked = Buffer.allocUnsafeSlow(Math.max(length + (length >> 2), 65536));
    return unpacked;
  }

  /** What is in the envelope, in memory that the next call overwrites. */
  function openEnvelope(id: () => Id, uncompressedLength: number, sealed: Uint8Array): Uint8Array {
    if (uncompressedLength > blobBytesMax)
      throw damaged(id(), `claims to unpack to ${uncompressedLength} bytes; refused`);
    if (opened.length < sealed.length)
      opened = Buffer.allocUnsafeSlow(Math.max(sealed.length + (sealed.length >> 2), 65536));
    if (sealed.length < sealOverheadBytes) throw damaged(id(), 'is shorter than an envelope');
    const payload = sealer.open(sealed, opened);
    if (!payload) throw damaged(id(), 'cannot be decrypted: it is damaged');
    return payload;
  }

  function decompress(id: () => Id, payload: Uint8Array, target: Uint8Array): number {
    try {
      return decompressor.decompress(payload, target);
    } catch (error) {
      throw damaged(id(), `cannot be decompressed: ${messageOf(error)}`, error);
    }
  }

  const otherContent = (id: Id, found: Id): LifeboatError =>
    damaged(id, `holds other content than its ID says (it hashes to ${found})`);

  const decoder: BlobDecoder = {
    decode: (blob, sealed) => decoder.open(blob, sealed).plaintext,
    decodeInto(idBytes, uncompressedLength, sealed, target) {
      const id = (): Id => idOfBytes(idBytes);
      const payload = openEnvelope(id, uncompressedLength, sealed);
      const length = uncompressedLength === 0 ? payload.length : uncompressedLength;
      if (target.length < length) throw new RangeError(`${length} bytes do not fit into ${target.length}`);
      let found = length;
      if (uncompressedLength === 0) target.set(payload);
      else found = decompress(id, payload, target.subarray(0, length));
      sha256(target.subarray(0, found), digest);
      if (digest.compare(idBytes) !== 0) throw otherContent(id(), idOfBytes(digest));
      return found;
    },
    open({ id, uncompressedLength }, sealed) {
      const payload = openEnvelope(() => id, uncompressedLength, sealed);
      let plaintext = payload;
      if (uncompressedLength !== 0) {
        const target = bufferFor(uncompressedLength).subarray(0, uncompressedLength);
        plaintext = target.subarray(
          0,
          decompress(() => id, payload, target),
        );
      }
      const found = idOfBytes(sha256(plaintext, digest));
      if (found !== id) throw otherContent(id, found);
      return { plaintext, payload };
    },
  };
  return decoder;
}
