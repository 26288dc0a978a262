import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import type { Id } from '../../src/model/id.ts';
import { encodeIndex, type IndexedPack } from '../../src/repository/index/codec.ts';
import type { BlobType } from '../../src/repository/index/table.ts';
import { keyOf } from '../../src/repository/layout.ts';
import { type PackedBlob, writeHeaderEntry } from '../../src/repository/pack.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type MemoryStorage, memoryStorage } from './memory-storage.ts';

/** Repositories as nobody writes them by accident: valid encryption around content that lies. */

export const idOf = (bytes: Uint8Array): Id => createHash('sha256').update(bytes).digest('hex') as Id;

export interface ForgedBlob {
  readonly type: BlobType;
  readonly bytes: Uint8Array;
  /** Stored as this zstd frame. */
  readonly frame?: Uint8Array;
  /** What index and header say instead of the truth. */
  readonly claims?: Partial<PackedBlob>;
}

export interface Forgery {
  readonly repository: Repository;
  readonly storage: MemoryStorage;
  /** Stores a pack. @returns what an honest index says of it. */
  pack(blobs: readonly ForgedBlob[], spoil?: (pack: Buffer) => Buffer): Promise<IndexedPack>;
  index(packs: readonly IndexedPack[]): Promise<void>;
  snapshot(tree: Id): Promise<void>;
  /** A repository with one snapshot of this tree, and its blobs in a pack each. */
  tree(json: string, data?: readonly Uint8Array[]): Promise<void>;
}

export async function forge(): Promise<Forgery> {
  const storage = memoryStorage();
  const repository = await createCheapRepository(storage);
  const { sealer, files } = repository;

  const forgery: Forgery = {
    repository,
    storage,
    async pack(blobs, spoil = (pack) => pack) {
      const header = Buffer.alloc(41 * blobs.length);
      const parts: Buffer[] = [];
      const packed: PackedBlob[] = [];
      let offset = 0;
      let headerBytes = 0;
      for (const { type, bytes, frame, claims } of blobs) {
        const sealed = sealer.seal(frame ?? bytes);
        const blob: PackedBlob = {
          type,
          id: idOf(bytes),
          offset,
          length: sealed.length,
          uncompressedLength: frame ? bytes.length : 0,
          ...claims,
        };
        headerBytes += writeHeaderEntry(
          header,
          headerBytes,
          blob.type,
          Buffer.from(blob.id, 'hex'),
          blob.length,
          blob.uncompressedLength,
        );
        parts.push(sealed);
        packed.push(blob);
        offset += sealed.length;
      }
      const sealedHeader = sealer.seal(header.subarray(0, headerBytes));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(sealedHeader.length);
      const pack = spoil(Buffer.concat([...parts, sealedHeader, length]));
      const id = idOf(pack);
      await storage.save(keyOf('data', id), [pack]);
      return { id, blobs: packed };
    },
    async index(packs) {
      await files.save('index', encodeIndex(packs));
    },
    async snapshot(tree) {
      await files.save(
        'snapshots',
        Buffer.from(`{"time":"2026-01-02T03:04:05Z","tree":"${tree}","paths":["/x"]}`),
      );
    },
    async tree(json, data = []) {
      const bytes = Buffer.from(json, 'latin1');
      const packs = [await forgery.pack([{ type: 'tree', bytes }])];
      for (const one of data) packs.push(await forgery.pack([{ type: 'data', bytes: one }]));
      await forgery.index(packs);
      await forgery.snapshot(idOf(bytes));
    },
  };
  return forgery;
}

export function zstdFrame(bytes: Uint8Array): Buffer {
  return zstdCompressSync(bytes);
}

/** The JSON of a node with some fields of its own. */
export function nodeJson(name: string, type: string, more = ''): string {
  const time = '2026-01-02T03:04:05Z';
  return `{"name":"${name}","type":"${type}","mtime":"${time}","atime":"${time}","ctime":"${time}","uid":0,"gid":0${more}}`;
}

export const treeJson = (...nodes: readonly string[]): string => `{"nodes":[${nodes.join(',')}]}\n`;
