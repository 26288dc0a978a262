import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import type { Attributes } from 'ssh2';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import { connectSsh } from '../../transport/ssh/connect.ts';
import type { SshOptions } from '../../transport/ssh/target.ts';
import { roomFor } from '../body.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { Storage } from '../storage.ts';
import { sftpChannels } from './channels.ts';
import { type Action, sftpFailure } from './failure.ts';
import { sftpFolders } from './folders.ts';
import { formatSftpLocation, type SftpLocation } from './location.ts';
import { ConnectionLost, type FolderEntry, type SftpSession, sftpStatus, statusOf } from './session.ts';
import { readFolder, readInto, readSome, underWayBytesMax, writeAll } from './transfer.ts';

export interface SftpOptions extends SshOptions {
  /** Requests at once, each on a channel of its own where the server lets it. */
  readonly connections: number;
}

export const sftpConnectionsDefault = 5;

/** A storage that holds a connection, which keeps the process running until it is closed. */
export interface ConnectedStorage extends Storage {
  close(): void;
}

const temporaryMarks = ['-tmp-', '-restic-temp-'];
const isTemporary = (name: string): boolean => temporaryMarks.some((mark) => name.includes(mark));
const listingsAtOnce = 64;

interface Content {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** A folder of an SSH server. It connects with the first request. */
export function sftpStorage(location: SftpLocation, options: SftpOptions): ConnectedStorage {
  const channels = sftpChannels(() => connectSsh(location, options), options.connections);
  const shown = formatSftpLocation(location);
  const host = location.user === null ? location.host : `${location.user}@${location.host}`;
  const root = location.path;
  const pathOf = (key: string): string => {
    checkKey(key);
    return posix.join(root, key);
  };
  const folders = sftpFolders();
  /** Of saves that a broken connection ended. */
  const leftovers = new Set<string>();
  let mode: Promise<number> | null = null;

  /** 0400 in a private repository, 0440 where the repository's config is readable by its group: as local ones. */
  const modeBeside = (config: { readonly mode: number }): number => (config.mode & 0o040 ? 0o440 : 0o400);

  function fileMode(session: SftpSession): Promise<number> {
    mode ??= session.stat(posix.join(root, 'config')).then(modeBeside, (error) => {
      mode = null;
      if (statusOf(error) === null) throw error;
      return 0o400; // no config yet: the repository is being created
    });
    return mode;
  }

  /** Runs one action; whatever fails in it is said in the words of this storage. */
  function act<T>(
    action: Action,
    path: string,
    work: (session: SftpSession, attempt: number) => Promise<T>,
    bytes = 0,
  ): Promise<T> {
    return channels.use(async (session, attempt) => {
      try {
        return await work(session, attempt);
      } catch (error) {
        throw await sftpFailure(session, action, { path, shown: `${path} at ${host}`, bytes }, error);
      }
    });
  }

  async function write(
    session: SftpSession,
    temporary: string,
    { parts, bytes }: Content,
    fileMode: number,
  ): Promise<void> {
    const handle = await session.open(temporary, 'wx', fileMode);
    const writing = writeAll(session, handle, parts);
    // What is sent as a whole needs no answer before the next: requests on one handle are taken in their order.
    if (bytes > underWayBytesMax) await writing.catch(() => undefined); // looked at below
    const syncing = session.supports.fsync ? session.fsync(handle) : undefined;
    const results = await Promise.allSettled([writing, syncing, session.close(handle)]);
    const failure = results.find(({ status }) => status === 'rejected');
    if (failure) throw (failure as PromiseRejectedResult).reason;
  }

  async function rename(session: SftpSession, from: string, to: string): Promise<void> {
    if (session.supports.posixRename) return session.posixRename(from, to);
    try {
      await session.rename(from, to);
    } catch (error) {
      // Without the extension a file cannot be replaced: there is a moment without it.
      if (statusOf(error) !== sftpStatus.failure) throw error;
      await session.unlink(to);
      await session.rename(from, to);
    }
  }

  async function removeLeftovers(session: SftpSession): Promise<void> {
    for (const path of leftovers) {
      leftovers.delete(path);
      await session.unlink(path).catch((error: unknown) => {
        if (error instanceof ConnectionLost) leftovers.add(path);
      });
    }
  }

  async function save(key: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = pathOf(key);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    await act(
      'write',
      path,
      async (session) => {
        // A new name each time: a process of the broken connection may still be writing to the old one.
        const temporary = `${path}-tmp-${randomBytes(6).toString('hex')}`;
        const finalMode = await fileMode(session);
        const [folder, folderMode] = [posix.dirname(path), finalMode & 0o040 ? 0o750 : 0o700];
        try {
          for (const above of foldersAbove(key)) folders.foresee(session, pathOf(above), folderMode);
          await write(session, temporary, { parts, bytes }, finalMode).catch(async (error: unknown) => {
            if (statusOf(error) !== sftpStatus.noSuchFile) throw error;
            await folders.make(session, folder, folderMode);
            await write(session, temporary, { parts, bytes }, finalMode);
          });
          await rename(session, temporary, path);
        } catch (error) {
          leftovers.add(temporary);
          if (!session.gone) await removeLeftovers(session);
          throw error;
        }
        if (leftovers.size > 0) await removeLeftovers(session);
      },
      bytes,
    );
  }

  async function load(key: string, range?: { offset: number; length: number }): Promise<Buffer> {
    const path = pathOf(key);
    return act('read', path, async (session) => {
      const handle = await session.open(path, 'r');
      try {
        if (range) {
          const buffer = roomFor(range.length);
          return buffer.subarray(0, await readInto(session, handle, buffer, range.offset));
        }
        const { bytes, attributes } = await readWhole(session, handle);
        // It will be asked for with the first save.
        if (key === 'config') mode ??= Promise.resolve(modeBeside(attributes));
        return bytes;
      } finally {
        // Nothing depends on it.
        session.close(handle).catch(() => undefined);
      }
    });
  }

  async function listFolder(
    session: SftpSession,
    prefix: string,
    found: { key: string; size: number }[],
  ): Promise<string[]> {
    const below: string[] = [];
    let entries: FolderEntry[];
    try {
      entries = await readFolder(session, posix.join(root, prefix));
    } catch (error) {
      if (statusOf(error) === sftpStatus.noSuchFile) return below;
      throw error;
    }
    for (const { filename, attrs: listed } of entries) {
      if (filename === '.' || filename === '..') continue;
      const key = prefix + filename;
      const attrs = listed.isSymbolicLink() ? await statOrNull(session, posix.join(root, key)) : listed;
      if (attrs?.isDirectory()) below.push(`${key}/`);
      else if (attrs?.isFile() && !isTemporary(filename)) found.push({ key, size: attrs.size });
    }
    return below;
  }

  return {
    location: shown,
    connections: options.connections,
    create: () => act('create', root, (session) => folders.make(session, root, 0o700)),
    save,
    load,
    async size(key) {
      const path = pathOf(key);
      return act('inspect', path, async (session) => (await statOrNull(session, path))?.size ?? null);
    },
    async list(prefix) {
      checkPrefix(prefix);
      const found: { key: string; size: number }[] = [];
      const waiting = [prefix];
      await runBounded(listingsAtOnce, () => {
        const next = waiting.pop();
        if (next === undefined) return null;
        const path = posix.join(root, next);
        return act('list', path, async (session) => {
          // A listing that broke off is begun again.
          const own: { key: string; size: number }[] = [];
          return { below: await listFolder(session, next, own), own };
        }).then(({ below, own }) => {
          waiting.push(...below);
          for (const entry of own) found.push(entry);
        });
      });
      return found;
    },
    async remove(key) {
      const path = pathOf(key);
      let repeated = false;
      try {
        await act('delete', path, (session, attempt) => {
          repeated = attempt > 1;
          return session.unlink(path);
        });
      } catch (error) {
        // The first request was heard before the connection broke.
        if (!repeated || !hasCode(error, 'storage-missing-file')) throw error;
      }
    },
    localPath(key) {
      checkKey(key);
      return null;
    },
    close: channels.close,
  };
}

/** Of `data/ab/name`: `data` and `data/ab`. */
function foldersAbove(key: string): string[] {
  const names = key.split('/').slice(0, -1);
  return names.map((_, depth) => names.slice(0, depth + 1).join('/'));
}

async function statOrNull(session: SftpSession, path: string) {
  try {
    return await session.stat(path);
  } catch (error) {
    if (statusOf(error) === sftpStatus.noSuchFile) return null;
    throw error;
  }
}

/** The first bytes come along with the size, so small files cost no time for it. */
async function readWhole(
  session: SftpSession,
  handle: Buffer,
): Promise<{ readonly bytes: Buffer; readonly attributes: Attributes }> {
  const first = Buffer.allocUnsafe(session.readBytesMax);
  const [attributes, count] = await Promise.all([session.fstat(handle), readSome(session, handle, first, 0)]);
  const { size } = attributes;
  if (size <= count) return { bytes: first.subarray(0, size), attributes };
  const whole = roomFor(size);
  first.copy(whole, 0, 0, count);
  const read = await readInto(session, handle, whole.subarray(count), count);
  if (count + read < size)
    throw new LifeboatError('storage-failed', `a file became shorter while it was read`);
  return { bytes: whole, attributes };
}
