import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Sealer } from './crypto.ts';
import { compressDocument, compressedDocumentBytesMax, decompressDocument } from './unpacked.ts';

/**
 * The envelope of unpacked files for what lies below `lifeboat/`: the byte 2, a zstd frame, both sealed with the
 * repository's key. Unlike restic's own files it is compressed in repositories of version 1 as well.
 */
export interface EnvelopeCodec {
  /** Opens what it sealed and compares before it returns it. @throws LifeboatError `internal`. */
  seal(plain: Uint8Array): Uint8Array;
  /** @throws LifeboatError `journal-damaged` naming the object. */
  open(stored: Uint8Array, name: string): Uint8Array;
}

/** A unit of 1 GiB, the largest that PostgreSQL knows, and its facts. */
const plainBytesMax = 2 ** 30 + 2 ** 20;

/** Memory that serves one call after the other, up to what a segment of the usual 16 MiB needs. */
function createScratch(keptBytesMax: number): (length: number) => Buffer {
  let kept = Buffer.alloc(0);
  return (length) => {
    if (length > keptBytesMax) return Buffer.allocUnsafeSlow(length);
    if (kept.length < length) kept = Buffer.allocUnsafeSlow(Math.min(keptBytesMax, length + (length >> 2)));
    return kept;
  };
}

const scratchBytesMax = 20 * 2 ** 20;

export function createEnvelopeCodec(sealer: Sealer): EnvelopeCodec {
  const compressed = createScratch(scratchBytesMax);
  const opened = createScratch(scratchBytesMax);
  const unpacked = createScratch(scratchBytesMax);

  function decode(document: Uint8Array, name: string, memory?: (length: number) => Buffer): Uint8Array {
    if (document[0] !== 2)
      throw new LifeboatError('journal-damaged', `${name} has the unknown encoding ${document[0] ?? 'none'}`);
    try {
      return decompressDocument(document, name, plainBytesMax, memory);
    } catch (error) {
      if (!hasCode(error, 'repository-damaged')) throw error;
      throw new LifeboatError('journal-damaged', error.message, { cause: error });
    }
  }

  return {
    seal(plain) {
      const sealed = sealer.seal(
        compressDocument(plain, compressed(compressedDocumentBytesMax(plain.length))),
      );
      const document = sealer.open(sealed, opened(sealed.length));
      if (!document || Buffer.compare(decode(document, 'the new object', unpacked), plain) !== 0)
        throw new LifeboatError(
          'internal',
          'an object of the journal does not open to what was sealed; nothing was stored',
          {
            hint: 'memory or processor may be faulty: test the memory of this machine, then run the command again',
          },
        );
      return sealed;
    },
    open(stored, name) {
      const document = sealer.open(stored, opened(stored.length));
      if (!document)
        throw new LifeboatError(
          'journal-damaged',
          `${name} cannot be decrypted: it is damaged or from another repository`,
        );
      return decode(document, name);
    },
  };
}
