import { LifeboatError, messageOf } from '../../core/errors.ts';
import { checksum } from '../../kernels/checksum.ts';
import { sha256 } from '../../kernels/sha256.ts';
import {
  type Compressor,
  compressedBytesMax,
  createCompressor,
  createDecompressor,
} from '../../kernels/zstd.ts';
import { idOfBytes } from '../../model/id.ts';
import { ivBytes, type Sealer, sealOverheadBytes } from '../crypto.ts';
import type { BlobType } from '../index/table.ts';
import type { Packer } from './packer.ts';
import type { Compression } from './protocol.ts';

/**
 * Compresses, encrypts, verifies and packs one blob. Compression writes straight into the pack's memory and
 * encryption works in place. Then the sealed bytes are opened again and their content is compared:
 * no blob is stored that would not come back, whatever memory or software did (restic does the same).
 */
export interface BlobEncoder {
  /**
   * @param sum checksum of the plaintext taken before its ID was computed: what is stored is then verified
   *   against it, at a tenth of the cost. null: verified against the ID itself.
   * @returns stored bytes, envelope and header entry included.
   */
  store(type: BlobType, id: Uint8Array, entry: number, plaintext: Uint8Array, sum: bigint | null): number;
  /** Appends a sealed blob as it is; the caller has verified it. */
  append(
    type: BlobType,
    id: Uint8Array,
    entry: number,
    sealed: Uint8Array,
    uncompressedLength: number,
  ): number;
  /**
   * Encrypts and packs a payload as it is: a zstd frame whose content the caller has verified. What was
   * encrypted is opened again and compared.
   */
  sealPayload(
    type: BlobType,
    id: Uint8Array,
    entry: number,
    payload: Uint8Array,
    uncompressedLength: number,
  ): number;
  /** Whether blobs of this type are compressed when they are stored. */
  compresses(type: BlobType): boolean;
  /** Whether frames that another run of "auto" may have written are good enough to be taken as they are. */
  keepsFrames(type: BlobType): boolean;
}

/** Blobs that are at least this large are tried on samples first: what does not shrink is stored as it is. */
const sampleFromBytes = 64 * 1024;
const sampleBytes = 8 * 1024;
const sampleCount = 3;
/** Data that shrinks to less than this, such as pages of a database, is compressed with its own parameters. */
const repetitiveRatio = 0.2;
/** A sample must shrink at least to this part of its size for its blob to be worth compressing. */
const worthwhileRatio = 0.985;

export function createBlobEncoder(
  sealer: Sealer,
  packer: Packer,
  version: 1 | 2,
  compression: Compression,
): BlobEncoder {
  let compressor: Compressor | null = null;
  let repetitive: Compressor | null = null;
  /** Compressed by uncompressed size of the blob before. */
  let lastRatio = 1;
  const decompressor = createDecompressor();
  const digest = Buffer.allocUnsafeSlow(32);
  let opened = Buffer.alloc(0);
  let unpacked = Buffer.alloc(0);
  const sampleTarget = Buffer.allocUnsafeSlow(compressedBytesMax(sampleBytes));

  function looksIncompressible(plaintext: Uint8Array, compress: Compressor): boolean {
    if (plaintext.length < sampleFromBytes) return false;
    const step = Math.floor((plaintext.length - sampleBytes) / (sampleCount - 1));
    for (let n = 0; n < sampleCount; n++) {
      const sample = plaintext.subarray(n * step, n * step + sampleBytes);
      if (compress.compress(sample, sampleTarget, 0) < sampleBytes * worthwhileRatio) return false;
    }
    return true;
  }

  /** Compresses into `target` at `offset`. Returns the bytes written, or 0 where the blob is better stored plain. */
  function compressInto(type: BlobType, plaintext: Uint8Array, target: Buffer, offset: number): number {
    if (version === 1 || plaintext.length === 0) return 0;
    if (compression === 'off' && type === 'data') return 0;
    compressor ??= createCompressor(compression === 'off' ? 'auto' : compression);
    if (type === 'data' && compression !== 'max' && looksIncompressible(plaintext, compressor)) return 0;
    // What lies in one file is much alike: the blob before tells which parameters suit this one.
    const isRepetitive = compression === 'auto' && lastRatio < repetitiveRatio;
    if (isRepetitive) repetitive ??= createCompressor('repetitive');
    const written = (isRepetitive ? repetitive! : compressor).compress(
      plaintext,
      target.subarray(0, offset + compressedBytesMax(plaintext.length)),
      offset,
    );
    lastRatio = written > 0 ? written / plaintext.length : 1;
    // A frame as large as its content saves nothing and costs a decompression at each restore. Trees are
    // always compressed in version 2: restic's prune takes the others for leftovers of version 1.
    return written > 0 && (type === 'tree' || written < plaintext.length) ? written : 0;
  }

  function verify(sealed: Uint8Array, id: Uint8Array, uncompressedLength: number, sum: bigint | null): void {
    if (opened.length < sealed.length) opened = Buffer.allocUnsafeSlow(sealed.length + (sealed.length >> 3));
    const payload = sealer.open(sealed, opened);
    const broken = (why: string, cause?: unknown) =>
      new LifeboatError(
        'internal',
        `blob ${idOfBytes(id)} ${why} right after it was encoded; nothing was stored`,
        {
          cause,
          hint: 'memory or processor may be faulty: test the memory of this machine, then run the command again',
        },
      );
    if (!payload) throw broken('cannot be decrypted');
    let plaintext = payload;
    if (uncompressedLength !== 0) {
      if (unpacked.length < uncompressedLength)
        unpacked = Buffer.allocUnsafeSlow(uncompressedLength + (uncompressedLength >> 3));
      try {
        plaintext = unpacked.subarray(
          0,
          decompressor.decompress(payload, unpacked.subarray(0, uncompressedLength)),
        );
      } catch (error) {
        throw broken(`cannot be decompressed (${messageOf(error)})`, error);
      }
    }
    const same =
      sum === null ? Buffer.compare(sha256(plaintext, digest), id) === 0 : checksum(plaintext) === sum;
    if (!same) throw broken('has other content');
  }

  return {
    store(type, id, entry, plaintext, sum) {
      const place = packer.place(type, compressedBytesMax(plaintext.length) + sealOverheadBytes);
      const payloadAt = place.offset + ivBytes;
      const compressedLength = compressInto(type, plaintext, place.target, payloadAt);
      const payload =
        compressedLength > 0 ? place.target.subarray(payloadAt, payloadAt + compressedLength) : plaintext;
      const sealedBytes = sealer.sealInto(place.target, place.offset, payload);
      const uncompressedLength = compressedLength > 0 ? plaintext.length : 0;
      verify(place.target.subarray(place.offset, place.offset + sealedBytes), id, uncompressedLength, sum);
      place.commit(id, entry, sealedBytes, uncompressedLength);
      return sealedBytes + (uncompressedLength ? 41 : 37);
    },
    compresses: (type) => version === 2 && (type === 'tree' || compression !== 'off'),
    keepsFrames(type) {
      const asked = compression === 'better' || compression === 'max';
      return version === 2 && !asked && (type === 'tree' || compression !== 'off');
    },
    sealPayload(type, id, entry, payload, uncompressedLength) {
      const place = packer.place(type, payload.length + sealOverheadBytes);
      const sealedBytes = sealer.sealInto(place.target, place.offset, payload);
      const sealed = place.target.subarray(place.offset, place.offset + sealedBytes);
      if (opened.length < sealed.length)
        opened = Buffer.allocUnsafeSlow(sealed.length + (sealed.length >> 3));
      const reopened = sealer.open(sealed, opened);
      if (!reopened || Buffer.compare(reopened, payload) !== 0)
        throw new LifeboatError(
          'internal',
          `blob ${idOfBytes(id)} does not decrypt to what was encrypted; nothing was stored`,
          {
            hint: 'memory or processor may be faulty: test the memory of this machine, then run the command again',
          },
        );
      place.commit(id, entry, sealedBytes, uncompressedLength);
      return sealedBytes + (uncompressedLength ? 41 : 37);
    },
    append(type, id, entry, sealed, uncompressedLength) {
      const place = packer.place(type, sealed.length);
      place.target.set(sealed, place.offset);
      place.commit(id, entry, sealed.length, uncompressedLength);
      return sealed.length + (uncompressedLength ? 41 : 37);
    },
  };
}
