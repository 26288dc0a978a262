import { hasCode, LifeboatError, messageOf } from '../core/errors.ts';
import { sha256 } from '../kernels/sha256.ts';
import { type Compressor, createCompressor, createDecompressor } from '../kernels/zstd.ts';
import { frameContentBytes } from '../kernels/zstd-frame.ts';
import { type Id, idOfBytes } from '../model/id.ts';
import type { Storage } from '../storage/storage.ts';
import type { Sealer } from './crypto.ts';
import { configKey, type FileKind, keyOf } from './layout.ts';

/**
 * Files that hold one encrypted JSON document each: index, snapshots, locks and config
 * (doc/design.rst "Unpacked Data Format"). In version 2 all but config start with the byte 2 and are zstd.
 */

/** Decompressed index files of restic stay far below; more is a zstd bomb. */
const documentBytesMax = 512 * 1024 * 1024;
const zstdMark = 2;

let compressor: Compressor | undefined;
let decompressor: ReturnType<typeof createDecompressor> | undefined;

/** Room that `compressDocument` needs for a document of `length` bytes. */
export function compressedDocumentBytesMax(length: number): number {
  return length + (length >> 7) + 1024;
}

/** The byte 2 and a zstd frame, in the first bytes of `target`. */
export function compressDocument(
  plaintext: Uint8Array,
  target: Buffer = Buffer.allocUnsafe(compressedDocumentBytesMax(plaintext.length)),
  by: Compressor = (compressor ??=
    createCompressor('auto')),
): Buffer {
  const written = by.compress(plaintext, target, 1);
  if (written < 0)
    throw new LifeboatError(
      'internal',
      `compressing a document of ${plaintext.length} bytes ran out of room`,
    );
  target[0] = zstdMark;
  return target.subarray(0, written + 1);
}

/**
 * Undoes `compressDocument`; what starts as JSON does was not compressed.
 * @param memory gives room for the content; new memory unless said.
 * @throws LifeboatError `repository-damaged`.
 */
export function decompressDocument(
  document: Uint8Array,
  name: string,
  bytesMax = documentBytesMax,
  memory: (length: number) => Buffer = Buffer.allocUnsafe,
): Uint8Array {
  const first = document[0];
  if (document.length === 0 || first === 0x7b || first === 0x5b) return document;
  if (first !== zstdMark)
    throw new LifeboatError('repository-damaged', `${name} has the unknown encoding ${first}`);
  decompressor ??= createDecompressor();
  const compressed = document.subarray(1);
  // The frame says its size where its writer knew it; klauspost's encoder, which restic uses, always does.
  const stated = frameContentBytes(compressed) ?? Math.min(bytesMax, compressed.length * 64 + 65536);
  if (stated > bytesMax)
    throw new LifeboatError('repository-damaged', `${name} would unpack to ${stated} bytes; refused`);
  const target = memory(stated);
  try {
    return target.subarray(0, decompressor.decompress(compressed, target));
  } catch (error) {
    throw new LifeboatError('repository-damaged', `${name} cannot be decompressed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export interface UnpackedFiles {
  /** @throws LifeboatError `repository-damaged` where hash, tag or encoding is wrong; storage errors as they are. */
  load(kind: Exclude<FileKind, 'data' | 'keys'>, id: Id): Promise<Uint8Array>;
  save(kind: Exclude<FileKind, 'data' | 'keys'>, document: Uint8Array): Promise<Id>;
  /** @throws LifeboatError `storage-exists` where another process made a repository meanwhile, if the storage can tell. */
  saveFirstConfig(document: Uint8Array): Promise<void>;
}

function openDocument(sealer: Sealer, name: string, stored: Uint8Array): Uint8Array {
  const plaintext = sealer.open(stored);
  if (!plaintext) {
    throw new LifeboatError(
      'repository-damaged',
      `${name} cannot be decrypted: it is damaged or from another repository`,
    );
  }
  return plaintext;
}

/** The content of the config as stored. @throws LifeboatError `repository-damaged`. */
export function openConfig(sealer: Sealer, stored: Uint8Array): Uint8Array {
  return openDocument(sealer, configKey, stored);
}

export function unpackedFiles(storage: Storage, sealer: Sealer, version: () => 1 | 2): UnpackedFiles {
  return {
    async load(kind, id) {
      const name = `${kind}/${id}`;
      const stored = await storage.load(keyOf(kind, id));
      if (idOfBytes(sha256(stored)) !== id)
        throw new LifeboatError(
          'repository-damaged',
          `${name} is damaged: its content has another hash than its name says`,
        );
      const document = openDocument(sealer, name, stored);
      return version() === 1 ? document : decompressDocument(document, name);
    },
    async save(kind, document) {
      const encoded = version() === 1 ? document : compressDocument(document);
      const sealed = sealer.seal(encoded);
      const id = idOfBytes(sha256(sealed));
      // What is about to be stored must open to what was meant: memory and software err too.
      const opened = openDocument(sealer, `${kind}/${id}`, sealed);
      const decoded = version() === 1 ? opened : decompressDocument(opened, `${kind}/${id}`);
      if (Buffer.compare(decoded, document) !== 0)
        throw new LifeboatError(
          'internal',
          `${kind}/${id} does not decode to what was encoded; nothing was stored`,
        );
      await storage.save(keyOf(kind, id), [sealed], { sha256: id });
      return id;
    },
    async saveFirstConfig(document) {
      const sealed = sealer.seal(document);
      try {
        await storage.save(configKey, [sealed], { isFirst: true });
      } catch (error) {
        if (!hasCode(error, 'storage-exists')) throw error;
        // It may be this very one, whose answer was lost.
        if (!(await storage.load(configKey)).equals(sealed)) throw error;
      }
    },
  };
}
