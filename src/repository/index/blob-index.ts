import { hasCode, type LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { FirstLists } from '../first-lists.ts';
import type { PackedBlob } from '../pack.ts';
import { listFiles, type Repository } from '../repository.ts';
import { type IndexedPack, parseIndex } from './codec.ts';
import { type BlobLocation, type BlobTable, type BlobType, createTableMemory, openTable } from './table.ts';

export interface FoundBlob extends BlobLocation {
  readonly packId: Id;
}

/** The loaded index: which blob lies where, which index file tells of which pack. */
export interface BlobIndex {
  readonly table: BlobTable;
  /** Number of a pack in the table, given out on first use. */
  packNumber(id: Id): number;
  packId(number: number): Id;
  /** Number of a pack that the index names, or null; gives none out. */
  knownPackNumber(id: Id): number | null;
  packCount(): number;
  /** Numbers of the packs that each index file describes. */
  readonly files: Map<Id, number[]>;
  /** Index files that could not be read, with their errors; only where the loader was told to go on. */
  readonly broken: Map<Id, LifeboatError>;
  find(type: BlobType, id: Id): FoundBlob | null;
  findAll(type: BlobType, id: Id): FoundBlob[];
  /** Adds a stored pack with its blobs. */
  addPack(pack: IndexedPack): number;
  /** Numbers of all entries by pack number. */
  entriesByPack(): Map<number, number[]>;
  /** Blob of an entry as a pack's header and the index files describe it. */
  blobAt(entry: number): PackedBlob;
}

export function createBlobIndex(): BlobIndex {
  const table = openTable(createTableMemory());
  const numbers = new Map<Id, number>();
  const ids: Id[] = [];
  const idBytes = Buffer.alloc(32);

  const packNumber = (id: Id): number => {
    let number = numbers.get(id);
    if (number === undefined) {
      number = ids.length;
      numbers.set(id, number);
      ids.push(id);
    }
    return number;
  };
  const found = (entry: number): FoundBlob => {
    const location = table.locationOf(entry);
    return { ...location, packId: ids[location.pack]! };
  };
  const bytesOf = (id: Id): Buffer => {
    idBytes.write(id, 'hex');
    return idBytes;
  };

  return {
    table,
    packNumber,
    packId: (number) => ids[number]!,
    knownPackNumber: (id) => numbers.get(id) ?? null,
    packCount: () => ids.length,
    files: new Map(),
    broken: new Map(),
    find(type, id) {
      const entry = table.find(type, bytesOf(id));
      return entry < 0 || table.packOf(entry) >= ids.length ? null : found(entry);
    },
    findAll: (type, id) =>
      table
        .findAll(type, bytesOf(id))
        .filter((entry) => table.packOf(entry) < ids.length)
        .map(found),
    addPack(pack) {
      const number = packNumber(pack.id);
      for (const { type, id, offset, length, uncompressedLength } of pack.blobs)
        table.add(type, bytesOf(id), { pack: number, offset, length, uncompressedLength });
      return number;
    },
    entriesByPack() {
      const byPack = new Map<number, number[]>();
      const total = table.count();
      for (let entry = 0; entry < total; entry++) {
        const pack = table.packOf(entry);
        const list = byPack.get(pack);
        if (list) list.push(entry);
        else byPack.set(pack, [entry]);
      }
      return byPack;
    },
    blobAt(entry) {
      const { offset, length, uncompressedLength } = table.locationOf(entry);
      const bytes = Buffer.allocUnsafe(32);
      table.copyId(entry, bytes);
      return {
        type: table.typeOf(entry),
        id: bytes.toString('hex') as Id,
        offset,
        length,
        uncompressedLength,
      };
    },
  };
}

export interface LoadIndexOptions {
  /** Note damaged index files in `broken` and go on, for check and repair. Default: the first one throws. */
  readonly tolerant?: boolean;
  readonly progress?: (done: number, total: number) => void;
  /** The files, where they were listed already. */
  readonly listed?: FirstLists['index'] | undefined;
}

/** Reads all index files. @throws LifeboatError `repository-damaged` unless tolerant; storage errors. */
export async function loadIndex(repository: Repository, options: LoadIndexOptions = {}): Promise<BlobIndex> {
  const index = createBlobIndex();
  const files = await (options.listed ?? listFiles(repository.storage, 'index'));
  let next = 0;
  let done = 0;
  const readSome = async (): Promise<void> => {
    while (next < files.length) {
      const { id } = files[next++]!;
      try {
        const packs = parseIndex(await repository.files.load('index', id), id);
        index.files.set(id, packs.map(index.addPack));
      } catch (error) {
        if (!options.tolerant || !hasCode(error, 'repository-damaged')) throw error;
        index.broken.set(id, error);
      }
      options.progress?.(++done, files.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(repository.storage.connections, files.length) }, readSome));
  return index;
}
