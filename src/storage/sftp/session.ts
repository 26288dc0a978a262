import type { Attributes, Done, SFTPWrapper } from 'ssh2';

/**
 * Requests on one SFTP channel (draft-ietf-secsh-filexfer-02). Many may be under way: the server takes those on one
 * handle in the order in which they were sent.
 */
export interface SftpSession {
  /** Why the channel is gone, or null while it is there. */
  readonly gone: Error | null;
  readonly supports: { readonly fsync: boolean; readonly posixRename: boolean; readonly statvfs: boolean };
  /** Bytes of one request. */
  readonly readBytesMax: number;
  readonly writeBytesMax: number;
  open(path: string, flags: 'r' | 'wx', mode?: number): Promise<Buffer>;
  close(handle: Buffer): Promise<void>;
  /** Bytes read into the buffer: fewer than asked for, and 0 at the end of the file. */
  read(handle: Buffer, into: Buffer, position: number): Promise<number>;
  write(handle: Buffer, from: Uint8Array, position: number): Promise<void>;
  stat(path: string): Promise<Attributes>;
  fstat(handle: Buffer): Promise<Attributes>;
  openFolder(path: string): Promise<Buffer>;
  /** The next entries, as many as the server likes; none at the end. */
  readFolder(handle: Buffer): Promise<readonly FolderEntry[]>;
  makeFolder(path: string, mode: number): Promise<void>;
  unlink(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  posixRename(from: string, to: string): Promise<void>;
  fsync(handle: Buffer): Promise<void>;
  /** Bytes and files that a user may still store. */
  room(path: string): Promise<{ readonly bytes: number; readonly files: number }>;
  end(): void;
}

export interface FolderEntry {
  readonly filename: string;
  readonly attrs: Attributes;
}

/** What the server answers instead of a result (draft-ietf-secsh-filexfer-02, section 7). */
export const sftpStatus = {
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  unsupported: 8,
} as const;

/** The channel or its connection is gone: what was asked may have been done, or not. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The status code that a server answered with, or null for any other error. */
export function statusOf(error: unknown): number | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : null;
}

/** @param lost resolves when the connection is gone. */
export function sftpSession(sftp: SFTPWrapper, lost: Promise<Error>): SftpSession {
  let gone: Error | null = null;
  const waiting = new Set<(error: Error) => void>();
  const leave = (why: Error): void => {
    gone ??= new ConnectionLost(why.message, { cause: why });
    for (const reject of waiting) reject(gone);
    waiting.clear();
  };
  lost.then(leave);
  sftp.on('error', leave);
  sftp.on('end', () => leave(new Error('the server ended the channel')));
  sftp.on('close', () => leave(new Error('the channel was closed')));

  /** Requests to a channel that is gone are never answered, so each of them also waits for that. */
  function ask<T>(send: (done: Done<T>) => void): Promise<T> {
    if (gone) return Promise.reject(gone);
    return new Promise((resolve, reject) => {
      waiting.add(reject);
      send((error, result) => {
        if (!waiting.delete(reject)) return;
        if (!error) resolve(result);
        else reject(statusOf(error) === null ? new ConnectionLost(error.message, { cause: error }) : error);
      });
    });
  }

  const offers = (name: string, version: string): boolean => sftp._extensions[name] === version;
  return {
    get gone() {
      return gone;
    },
    supports: {
      fsync: offers('fsync@openssh.com', '1'),
      posixRename: offers('posix-rename@openssh.com', '1'),
      statvfs: offers('statvfs@openssh.com', '2'),
    },
    readBytesMax: sftp._maxReadLen,
    writeBytesMax: sftp._maxWriteLen,
    open: (path, flags, mode) =>
      ask((done) => sftp.open(path, flags, mode === undefined ? {} : { mode }, done)),
    close: (handle) => ask((done) => sftp.close(handle, done)),
    read: (handle, into, position) => ask((done) => sftp.read(handle, into, 0, into.length, position, done)),
    async write(handle, from, position) {
      if (from.length === 0) return;
      const bytes = Buffer.from(from.buffer, from.byteOffset, from.byteLength);
      await ask((done) => sftp.write(handle, bytes, 0, bytes.length, position, done));
    },
    stat: (path) => ask((done) => sftp.stat(path, done)),
    fstat: (handle) => ask((done) => sftp.fstat(handle, done)),
    openFolder: (path) => ask((done) => sftp.opendir(path, done)),
    async readFolder(handle) {
      try {
        return (await ask<FolderEntry[] | undefined>((done) => sftp.readdir(handle, done))) ?? [];
      } catch (error) {
        if (statusOf(error) === sftpStatus.endOfFile) return [];
        throw error;
      }
    },
    makeFolder: (path, mode) => ask((done) => sftp.mkdir(path, { mode }, done)),
    unlink: (path) => ask((done) => sftp.unlink(path, done)),
    rename: (from, to) => ask((done) => sftp.rename(from, to, done)),
    posixRename: (from, to) => ask((done) => sftp.ext_openssh_rename(from, to, done)),
    fsync: (handle) => ask((done) => sftp.ext_openssh_fsync(handle, done)),
    async room(path) {
      const found = await ask<{ f_bavail: number; f_frsize: number; f_favail: number }>((done) =>
        sftp.ext_openssh_statvfs(path, done),
      );
      return { bytes: found.f_bavail * found.f_frsize, files: found.f_favail };
    },
    end() {
      sftp.end();
    },
  };
}
