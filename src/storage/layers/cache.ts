import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import type { ByteRange, ContentFacts, Storage } from '../storage.ts';
import type { CacheFolder } from './cache-folder.ts';

/**
 * Keeps at hand, in a folder of this machine, what commands read again and again from a storage elsewhere: index
 * files, snapshots and packs of trees, as they are stored. All of them are named by the hash of their content, so
 * whatever comes from the folder is proven before it is used, and what fails the proof is fetched anew.
 *
 * The folder may be deleted at any time, and a folder that cannot be written costs speed, nothing else.
 */
export interface CacheOptions {
  readonly folder: CacheFolder;
  /** Told once where the folder fails. */
  readonly warn: (message: string) => void;
}

/** Folders whose files are kept whole. */
const wholeFolders: readonly string[] = ['index/', 'snapshots/'];

const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

const isProof = (key: string, bytes: Uint8Array): boolean =>
  createHash('sha256').update(bytes).digest('hex') === nameOf(key);

export function withCache(storage: Storage, { folder, warn }: CacheOptions): Storage {
  const isKept = (key: string, facts?: ContentFacts): boolean =>
    wholeFolders.some((prefix) => key.startsWith(prefix)) ||
    (key.startsWith('data/') && facts?.holdsTrees === true);
  /** Objects that are on their way, for all who want a part of them. */
  const coming = new Map<string, Promise<Buffer>>();
  /** Packs of the folder whose content was proven by this process. */
  const proven = new Set<string>();

  let failed = false;
  /** What the folder cannot do, the storage can: the first failure is told, and the folder left alone. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
    if (failed) return null;
    try {
      return await work();
    } catch (error) {
      if (!failed) warn(`the cache ${folder.path} cannot be used: ${messageOf(error)}`);
      failed = true;
      return null;
    }
  }

  async function proofRead(key: string): Promise<Buffer | null> {
    const bytes = await attempt(() => folder.read(key));
    if (bytes === null) return null;
    if (isProof(key, bytes)) {
      proven.add(key);
      return bytes;
    }
    await attempt(() => folder.remove(key));
    return null;
  }

  async function fetchWhole(key: string): Promise<Buffer> {
    const kept = await proofRead(key);
    if (kept) return kept;
    const bytes = await storage.load(key);
    // What is damaged there is the reader's to find, and nothing to keep.
    if (!isProof(key, bytes)) return bytes;
    const written = await attempt(async () => {
      await folder.write(key, [bytes]);
      return true;
    });
    if (written) proven.add(key);
    return bytes;
  }

  function whole(key: string): Promise<Buffer> {
    let bytes = coming.get(key);
    if (bytes === undefined) {
      bytes = fetchWhole(key).finally(() => coming.delete(key));
      coming.set(key, bytes);
    }
    return bytes;
  }

  async function part(key: string, range: ByteRange): Promise<Buffer> {
    if (proven.has(key) && !coming.has(key)) {
      const bytes = await attempt(() => folder.read(key, range));
      if (bytes) return bytes;
      proven.delete(key);
    }
    const bytes = await whole(key);
    // A copy: a part must not keep the whole in memory.
    return Buffer.from(bytes.subarray(range.offset, range.offset + range.length));
  }

  async function forget(key: string): Promise<void> {
    proven.delete(key);
    await attempt(() => folder.remove(key));
  }

  return {
    ...storage,
    load(key, range, facts) {
      if (!isKept(key, facts)) return storage.load(key, range, facts);
      return range === undefined ? whole(key).then((bytes) => Buffer.from(bytes)) : part(key, range);
    },
    async save(key, parts, facts) {
      if (!isKept(key, facts)) return storage.save(key, parts, facts);
      // The memory of a pack is free again once it is stored, so both are written at the same time.
      const writing = attempt(() => folder.prepare(key, parts));
      try {
        await storage.save(key, parts, facts);
      } catch (error) {
        await (await writing)?.drop();
        throw error;
      }
      const written = await writing;
      if (written) await attempt(() => written.keep());
    },
    copyPath: (key) => (proven.has(key) ? folder.pathOf(key) : null),
    async remove(key) {
      if (isKept(key, { holdsTrees: true })) await forget(key);
      await storage.remove(key);
    },
    async list(prefix) {
      const listed = await storage.list(prefix);
      if (prefix === 'data/' || wholeFolders.includes(prefix))
        await attempt(() => folder.keepOnly(prefix, new Set(listed.map(({ key }) => key))));
      return listed;
    },
  };
}
