import type { ByteString } from '../core/bytestring.ts';
import type { U64 } from '../model/node.ts';
import type { Instant } from '../model/time.ts';

/** What lstat(2) says. Seconds and nanoseconds are exact; a bigint only above 2^53 − 1. */
export interface FileStat {
  /** st_mode: type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: U64;
  readonly ino: U64;
  readonly dev: U64;
  readonly rdev: U64;
  readonly nlink: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
}

/**
 * Calls of the operating system that Node does not offer, or offers slowly. None of them follows a symlink in
 * the last part of a path, unless it says so. Failures throw a `SystemError`, which has the errno's name as
 * `code` like those of node:fs.
 */
export interface PosixCalls {
  lstat(path: ByteString): FileStat;
  fstat(fd: number): FileStat;
  /** Names in the order the kernel gives them; empty where the file system has no attributes. */
  listXattrs(path: ByteString): ByteString[];
  /** Null where the attribute is gone or the file system has none. */
  getXattr(path: ByteString, name: ByteString): Buffer | null;
  /** False where the file system has no attributes: nothing was stored. */
  setXattr(path: ByteString, name: ByteString, value: Uint8Array): boolean;
  /** Removing what is not there is no failure. */
  removeXattr(path: ByteString, name: ByteString): void;
  setTimes(path: ByteString, atime: Instant, mtime: Instant, follow: boolean): void;
  /** @param mode type and permissions as in st_mode. @param device major and minor as in st_rdev. */
  mknod(path: ByteString, mode: number, device: U64): void;
  mkfifo(path: ByteString, permissions: number): void;
  /** Offset of the first data at or after `offset`, null where only a hole follows. Moves the file position. */
  seekData(fd: number, offset: number): number | null;
  /** Offset of the first hole at or after `offset`; the end of a file counts as one. Moves the file position. */
  seekHole(fd: number, offset: number): number | null;
}
