import type { Id } from '../../model/id.ts';
import type { Repository } from '../repository.ts';
import { encodeIndex, type IndexedPack } from './codec.ts';

/** An index file is written at this many blobs or this age: what an interrupted backup can build on. */
export const blobsPerIndexFile = 50_000;
const ageMaxMs = 10 * 60_000;

export interface IndexWriter {
  /** Notes a pack that is stored durably; may begin an index file. All blobs of a pack go to one file. */
  add(pack: IndexedPack): Promise<void>;
  /** Writes what is left. Returns the IDs of all index files written. @throws the first failure of any of them. */
  finish(): Promise<Id[]>;
}

/** @param everyMs writes a file once the oldest pack of it has waited so long. */
export function createIndexWriter(repository: Repository, everyMs: number = ageMaxMs): IndexWriter {
  let packs: IndexedPack[] = [];
  let blobs = 0;
  let since = Date.now();
  const written: Id[] = [];
  /** The file that is being written while packs are added. */
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    if (packs.length === 0) return;
    const full = packs;
    packs = [];
    blobs = 0;
    since = Date.now();
    written.push(await repository.files.save('index', encodeIndex(full)));
  }

  return {
    async add(pack) {
      if (packs.length === 0) since = Date.now();
      packs.push(pack);
      blobs += pack.blobs.length;
      if (blobs < blobsPerIndexFile && Date.now() - since < everyMs) return;
      // Packs go on being stored meanwhile; a second file waits for the first.
      const before = writing;
      writing = write();
      writing.catch(() => undefined); // thrown by the next call
      await before;
    },
    async finish() {
      await Promise.all([writing, write()]);
      return written;
    },
  };
}
