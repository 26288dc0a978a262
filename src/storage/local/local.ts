import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ErrorCode, errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { syncFolder } from '../../core/folders.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { ContentFacts, Storage } from '../storage.ts';

const temporaryMark = '-tmp-';

const codeByErrno: Record<string, ErrorCode> = {
  ENOENT: 'storage-missing-file',
  ENOTDIR: 'storage-missing-file',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  EFBIG: 'storage-full',
  EACCES: 'storage-denied',
  EPERM: 'storage-denied',
  EROFS: 'storage-denied',
  EEXIST: 'storage-exists',
};

function failure(action: string, path: string, error: unknown): LifeboatError {
  const known = codeByErrno[errnoOf(error)] ?? 'storage-failed';
  const absent = known === 'storage-missing-file';
  const code = absent && (action === 'write' || action === 'create') ? 'storage-failed' : known;
  return new LifeboatError(code, `cannot ${action} ${path}: ${messageOf(error)}`, { cause: error });
}

/** Whether a name is that of a temporary file of an unfinished save, ours or restic's. */
export function isTemporary(name: string): boolean {
  return name.includes(temporaryMark);
}

/** Makes a folder where it is missing, with those above it; the one above knows it durably when this resolves. */
async function makeFolderDurably(path: string, mode: number): Promise<void> {
  try {
    // Not `recursive`: on a read-only disk that one says ENOENT instead of EROFS.
    await fs.mkdir(path, mode);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolderDurably(dirname(path), mode);
    // Once: some file systems, such as /proc, say ENOENT whatever is above.
    await fs.mkdir(path, mode).catch((again: unknown) => {
      if (errnoOf(again) !== 'EEXIST') throw again;
    });
  }
  await syncFolder(dirname(path));
}

async function writeDurably(path: string, parts: readonly Uint8Array[], mode: number): Promise<void> {
  const handle = await fs.open(path, 'wx', mode);
  try {
    for (const part of parts) {
      for (let done = 0; done < part.length; ) {
        const { bytesWritten } = await handle.write(part, done, part.length - done);
        done += bytesWritten;
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** File systems that know no hard links say one of these; there a look has to do. */
const noLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** As a rename that replaces nothing. @throws with EEXIST where there is something. */
async function placeFirst(temporary: string, path: string): Promise<void> {
  try {
    await fs.link(temporary, path);
    await fs.rm(temporary);
  } catch (error) {
    if (!noLinks.has(errnoOf(error))) throw error;
    await (await fs.open(path, 'wx')).close();
    await fs.rename(temporary, path);
  }
}

/** A folder of a local (or mounted) file system. Same durability steps as restic's local backend. */
export function localStorage(root: string): Storage {
  /** 0400 in a private repository, 0440 where the repository's config is readable by its group. */
  let mode: Promise<number> | undefined;
  const fileMode = (): Promise<number> => {
    mode ??= fs.stat(join(root, 'config')).then(
      (stat) => (stat.mode & 0o040 ? 0o440 : 0o400),
      () => 0o400, // no config yet: the repository is being created
    );
    return mode;
  };
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(root, key);
  };

  /** Folders that are being made: who saves into one meanwhile waits until a power loss cannot take it away. */
  const folders = new Map<string, Promise<void>>();
  function makeFolder(path: string, mode: number): Promise<void> {
    const making =
      folders.get(path) ??
      makeFolderDurably(path, mode).finally(() => {
        folders.delete(path);
      });
    folders.set(path, making);
    return making;
  }

  async function save(key: string, parts: readonly Uint8Array[], facts: ContentFacts = {}): Promise<void> {
    const path = pathOf(key);
    const temporary = `${path}${temporaryMark}${randomBytes(6).toString('hex')}`;
    const finalMode = await fileMode();
    try {
      try {
        await writeDurably(temporary, parts, 0o600);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
        await makeFolder(dirname(path), finalMode & 0o040 ? 0o750 : 0o700);
        await writeDurably(temporary, parts, 0o600);
      }
      await fs.chmod(temporary, finalMode);
      await (facts.isFirst ? placeFirst(temporary, path) : fs.rename(temporary, path));
      await syncFolder(dirname(path));
      await Promise.all(folders.values());
    } catch (error) {
      await fs.rm(temporary, { force: true }).catch(() => {
        // The first error is the one to report; a leftover temporary file is never read.
      });
      throw failure('write', path, error);
    }
  }

  async function load(key: string, range?: { offset: number; length: number }): Promise<Buffer> {
    const path = pathOf(key);
    try {
      if (!range) return await fs.readFile(path);
      const handle = await fs.open(path, 'r');
      try {
        const buffer = Buffer.allocUnsafe(range.length);
        let done = 0;
        while (done < range.length) {
          const { bytesRead } = await handle.read(buffer, done, range.length - done, range.offset + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return buffer.subarray(0, done);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw failure('read', path, error);
    }
  }

  async function listFolder(
    prefix: string,
    found: { key: string; size: number }[],
    beginning = '',
  ): Promise<void> {
    const folder = join(root, prefix);
    let entries: Awaited<ReturnType<typeof readFolder>>;
    try {
      entries = await readFolder(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
      throw failure('list', folder, error);
    }
    for (const entry of entries) {
      if (!entry.name.startsWith(beginning)) continue;
      const key = prefix + entry.name;
      if (entry.isDirectory()) await listFolder(`${key}/`, found);
      else if ((entry.isFile() || entry.isSymbolicLink()) && !isTemporary(entry.name)) {
        try {
          const stat = await fs.stat(join(root, key));
          // Folders of packs that were moved to another disk are links, and hold packs all the same.
          if (stat.isDirectory()) await listFolder(`${key}/`, found);
          else if (stat.isFile()) found.push({ key, size: stat.size });
        } catch (error) {
          // A file that another process deleted since the folder was read is not there.
          if (errnoOf(error) !== 'ENOENT') throw failure('inspect', join(root, key), error);
        }
      }
    }
  }

  return {
    location: root,
    connections: 4,
    async create() {
      try {
        await makeFolderDurably(root, 0o700);
      } catch (error) {
        throw failure('create', root, error);
      }
    },
    save,
    load,
    async size(key) {
      const path = pathOf(key);
      try {
        return (await fs.stat(path)).size;
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
        throw failure('inspect', path, error);
      }
    },
    async list(prefix) {
      checkPrefix(prefix);
      const found: { key: string; size: number }[] = [];
      await listFolder(prefix, found);
      return found;
    },
    async listBeginning(folder, beginning) {
      checkPrefix(folder);
      const found: { key: string; size: number }[] = [];
      await listFolder(folder, found, beginning);
      return found;
    },
    async remove(key) {
      const path = pathOf(key);
      try {
        await fs.unlink(path);
      } catch (error) {
        throw failure('delete', path, error);
      }
    },
    localPath: pathOf,
  };
}

function readFolder(path: string) {
  return fs.readdir(path, { withFileTypes: true });
}
