import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { bytesOfText } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';
import { makeFolders } from '../../core/folders.ts';
import type { ByteRange } from '../storage.ts';

/**
 * The cache of one repository, laid out as restic lays out its own (internal/backend/cache/file.go):
 * `index/ab/<id>`, `snapshots/ab/<id>` and `data/ab/<id>` beside a file `version`. Several processes may use it
 * at once: files appear whole, and one that vanishes is no error.
 */
export interface CacheFolder {
  readonly path: string;
  /** Where a file lies, whether it is there or not. */
  pathOf(key: string): string;
  /** A file or a part of it; null where it is not there, or ends before the part. */
  read(key: string, range?: ByteRange): Promise<Buffer | null>;
  write(key: string, parts: readonly Uint8Array[]): Promise<void>;
  /** Writes a file that does not show before `keep`. */
  prepare(key: string, parts: readonly Uint8Array[]): Promise<PreparedFile>;
  remove(key: string): Promise<void>;
  /** Lets go of all files below a folder such as `index/` but these. */
  keepOnly(prefix: string, keys: ReadonlySet<string>): Promise<void>;
}

export interface PreparedFile {
  keep(): Promise<void>;
  drop(): Promise<void>;
}

const layoutVersion = '1';
/** Files of others that did not get to keep them. */
const abandonedAfterMs = 24 * 60 * 60_000;
const temporaryPrefix = 'tmp-';

/**
 * Opens the cache of a repository, which is made where it is not there.
 *
 * @param base folder of the caches of all repositories.
 * @param bytesMax packs beyond it go, those that were not read for the longest time first.
 */
export function openCacheFolder(base: string, repositoryId: string, bytesMax: number): CacheFolder {
  const path = join(base, repositoryId);
  let made: Promise<void> | null = null;
  /** Bytes of packs; null until they were counted. */
  let packBytes: number | null = null;

  function pathOf(key: string): string {
    const [folder, ...rest] = key.split('/');
    const name = rest.at(-1)!;
    return join(path, folder!, name.slice(0, 2), name);
  }

  async function make(): Promise<void> {
    makeFolders(bytesOfText(path), 0o700);
    await fs.writeFile(join(base, 'CACHEDIR.TAG'), cacheTag, { flag: 'wx' }).catch(unlessExists);
    await fs.writeFile(join(path, 'version'), layoutVersion, { flag: 'wx' }).catch(unlessExists);
    const now = new Date();
    await fs.utimes(path, now, now);
  }

  async function prepare(key: string, parts: readonly Uint8Array[]): Promise<PreparedFile> {
    await (made ??= make());
    const target = pathOf(key);
    const folder = dirname(target);
    makeFolders(bytesOfText(folder), 0o700);
    const temporary = join(folder, `${temporaryPrefix}${randomBytes(8).toString('hex')}`);
    const drop = (): Promise<void> => fs.rm(temporary, { force: true });
    try {
      const file = await fs.open(temporary, 'wx', 0o600);
      try {
        for (const part of parts) await file.writeFile(part);
      } finally {
        await file.close();
      }
    } catch (error) {
      await drop();
      throw error;
    }
    return {
      async keep() {
        await fs.rename(temporary, target);
        if (key.startsWith('data/')) await makeRoom(parts.reduce((sum, { length }) => sum + length, 0));
      },
      drop,
    };
  }

  async function filesBelow(folder: string): Promise<string[]> {
    try {
      const entries = await fs.readdir(join(path, folder), { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Packs with what is needed to choose among them, the longest unused first. Abandoned files go on the way. */
  async function packs(): Promise<{ file: string; bytes: number; usedMs: number }[]> {
    const found: { file: string; bytes: number; usedMs: number }[] = [];
    for (const file of await filesBelow('data')) {
      const stat = await fs.stat(file).catch(unlessMissing);
      if (!stat) continue;
      const isTemporary = basename(file).startsWith(temporaryPrefix);
      if (!isTemporary) found.push({ file, bytes: stat.size, usedMs: stat.mtimeMs });
      else if (Date.now() - stat.mtimeMs > abandonedAfterMs) await fs.rm(file, { force: true });
    }
    return found.sort((a, b) => a.usedMs - b.usedMs);
  }

  async function makeRoom(added: number): Promise<void> {
    if (packBytes !== null) packBytes += added;
    if (packBytes !== null && packBytes <= bytesMax) return;
    const all = await packs();
    let total = all.reduce((sum, { bytes }) => sum + bytes, 0);
    // Down to nine tenths, so that not each new pack looks through all of them.
    const target = total > bytesMax ? bytesMax * 0.9 : bytesMax;
    for (const { file, bytes } of all) {
      if (total <= target) break;
      await fs.rm(file, { force: true });
      total -= bytes;
    }
    packBytes = total;
  }

  async function read(key: string, range?: ByteRange): Promise<Buffer | null> {
    const file = await fs.open(pathOf(key), 'r').catch(unlessMissing);
    if (!file) return null;
    try {
      if (range) {
        const part = Buffer.allocUnsafe(range.length);
        const { bytesRead } = await file.read(part, 0, range.length, range.offset);
        return bytesRead > 0 ? part.subarray(0, bytesRead) : null;
      }
      const now = new Date();
      // Says what was used last; a folder that may only be read is as good without it.
      await file.utimes(now, now).catch(() => undefined);
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  return {
    path,
    pathOf,
    read,
    prepare,
    async write(key, parts) {
      await (await prepare(key, parts)).keep();
    },
    async remove(key) {
      await fs.rm(pathOf(key), { force: true });
    },
    async keepOnly(prefix, keys) {
      const folder = prefix.slice(0, -1);
      for (const file of await filesBelow(folder)) {
        const name = basename(file);
        const key = folder === 'data' ? `data/${name.slice(0, 2)}/${name}` : `${folder}/${name}`;
        if (!keys.has(key) && !name.startsWith(temporaryPrefix)) await fs.rm(file, { force: true });
      }
    },
  };
}

/** Backup programs leave folders out that hold this file (bford.info/cachedir). */
const cacheTag = 'Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of Lifeboat.\n';

function unlessMissing(error: unknown): null {
  if (errnoOf(error) !== 'ENOENT') throw error;
  return null;
}

function unlessExists(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}
