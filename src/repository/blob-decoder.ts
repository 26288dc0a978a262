import { LifeboatError, messageOf } from '../core/errors.ts';
import { sha256 } from '../kernels/sha256.ts';
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

  const decoder: BlobDecoder = {
    decode: (blob, sealed) => decoder.open(blob, sealed).plaintext,
    open({ id, uncompressedLength }, sealed) {
      const damaged = (why: string, cause?: unknown) =>
        new LifeboatError('repository-damaged', `blob ${id} ${why}`, { cause });
      if (uncompressedLength > blobBytesMax)
        throw damaged(`claims to unpack to ${uncompressedLength} bytes; refused`);
      if (opened.length < sealed.length)
        opened = Buffer.allocUnsafeSlow(Math.max(sealed.length + (sealed.length >> 2), 65536));
      if (sealed.length < sealOverheadBytes) throw damaged('is shorter than an envelope');
      const payload = sealer.open(sealed, opened);
      if (!payload) throw damaged('cannot be decrypted: it is damaged');
      let plaintext = payload;
      if (uncompressedLength !== 0) {
        if (unpacked.length < uncompressedLength)
          unpacked = Buffer.allocUnsafeSlow(Math.max(uncompressedLength + (uncompressedLength >> 2), 65536));
        try {
          plaintext = unpacked.subarray(
            0,
            decompressor.decompress(payload, unpacked.subarray(0, uncompressedLength)),
          );
        } catch (error) {
          throw damaged(`cannot be decompressed: ${messageOf(error)}`, error);
        }
      }
      const found = idOfBytes(sha256(plaintext));
      if (found !== id) throw damaged(`holds other content than its ID says (it hashes to ${found})`);
      return { plaintext, payload };
    },
  };
  return decoder;
}
