import { hasCode, LifeboatError } from '../core/errors.ts';
import { type Compressor, createCompressor } from '../kernels/zstd.ts';
import { frameHasChecksum } from '../kernels/zstd-frame.ts';
import { logParameters } from '../kernels/zstd-parameters.ts';
import { type Sealer, sealOverheadBytes } from './crypto.ts';
import { compressDocument, compressedDocumentBytesMax, decompressDocument } from './unpacked.ts';

/**
 * The envelope of unpacked files for what lies below `lifeboat/`: the byte 2 and a zstd frame with a checksum, both
 * sealed with the repository's key. Unlike restic's own files it is compressed in repositories of version 1 as well.
 */
export interface EnvelopeCodec {
  /**
   * Opens what it sealed before it returns it: tag, frame and the frame's checksum, which zstd took of `plain`, must
   * be right.
   * @throws LifeboatError `internal`.
   */
  seal(plain: Uint8Array): Uint8Array;
  /** @throws LifeboatError `journal-damaged` naming the object. */
  open(stored: Uint8Array, name: string): Uint8Array;
}

export interface EnvelopeCodecOptions {
  /** What `seal` returns is good until it is called again. */
  readonly reuseSealed?: boolean;
}

type Memory = (length: number) => Buffer;

/** A unit of 1 GiB, the largest that PostgreSQL knows, and its facts. */
const plainBytesMax = 2 ** 30 + 2 ** 20;
const scratchBytesMax = 20 * 2 ** 20;
/** Compared byte for byte: the facts, and all of what is small. */
const comparedBytes = 64 * 1024;

/** Memory that serves one call after the other, up to what a segment of the usual 16 MiB needs. */
function createScratch(): Memory {
  let kept = Buffer.alloc(0);
  return (length) => {
    if (length > scratchBytesMax) return Buffer.allocUnsafeSlow(length);
    if (kept.length < length)
      kept = Buffer.allocUnsafeSlow(Math.min(scratchBytesMax, length + (length >> 2)));
    return kept;
  };
}

function decode(document: Uint8Array, name: string, memory?: Memory): Uint8Array {
  if (document[0] !== 2)
    throw new LifeboatError('journal-damaged', `${name} has the unknown encoding ${document[0] ?? 'none'}`);
  try {
    return decompressDocument(document, name, plainBytesMax, memory);
  } catch (error) {
    if (!hasCode(error, 'repository-damaged')) throw error;
    throw new LifeboatError('journal-damaged', error.message, { cause: error });
  }
}

export function createEnvelopeCodec(sealer: Sealer, options: EnvelopeCodecOptions = {}): EnvelopeCodec {
  let compressor: Compressor | undefined;
  const compressed = createScratch();
  const opened = createScratch();
  const unpacked = createScratch();
  const sealedMemory = options.reuseSealed ? createScratch() : Buffer.allocUnsafe;

  /** The content is compared with the checksum: comparing all of its bytes takes twice as long. */
  function opens(sealed: Uint8Array, plain: Uint8Array): boolean {
    const document = sealer.open(sealed, opened(sealed.length));
    if (!document || !frameHasChecksum(document.subarray(1))) return false;
    const content = decode(document, 'the new object', unpacked);
    const head = plain.subarray(0, comparedBytes);
    return content.length === plain.length && Buffer.compare(content.subarray(0, head.length), head) === 0;
  }

  function check(sealed: Uint8Array, plain: Uint8Array): void {
    let cause: unknown;
    try {
      if (opens(sealed, plain)) return;
    } catch (error) {
      cause = error;
    }
    throw new LifeboatError(
      'internal',
      'an object of the journal does not open to what was sealed; nothing was stored',
      {
        cause,
        hint: 'memory or processor may be faulty: test the memory of this machine, then run the command again',
      },
    );
  }

  return {
    seal(plain) {
      compressor ??= createCompressor(logParameters);
      const room = compressed(compressedDocumentBytesMax(plain.length));
      const document = compressDocument(plain, room, compressor);
      const target = sealedMemory(document.length + sealOverheadBytes);
      const sealed = target.subarray(0, sealer.sealInto(target, 0, document));
      check(sealed, plain);
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
