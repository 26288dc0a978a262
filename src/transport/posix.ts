import process from 'node:process';
import type { ByteString } from '../core/bytestring.ts';
import type { U64 } from '../model/node.ts';
import type { Instant } from '../model/time.ts';
import { openLibc } from './libc.ts';
import { posixPrograms } from './posix-programs.ts';
import type { FileStat, PosixCalls } from './posix-types.ts';

/**
 * The operating system beyond node:fs: exact and fast stat, extended attributes, times to the nanosecond,
 * special files, holes. See `PosixCalls` for what each call promises. `LIFEBOAT_NATIVE=0` keeps the C library
 * out of it.
 */

let calls: PosixCalls | null = null;

function open(): PosixCalls {
  calls = process.env.LIFEBOAT_NATIVE === '0' ? posixPrograms : { ...posixPrograms, ...openLibc() };
  return calls;
}

/** lstat(2) with exact nanoseconds and plain numbers. */
export function lstatFast(path: ByteString): FileStat {
  return (calls ?? open()).lstat(path);
}

/** The same of an open file. */
export function fstatFast(fd: number): FileStat {
  return (calls ?? open()).fstat(fd);
}

/** Names of the extended attributes in the kernel's order; empty where the file system has none. */
export function listXattrs(path: ByteString): ByteString[] {
  return (calls ?? open()).listXattrs(path);
}

/** An attribute's value; null where it is gone. */
export function getXattr(path: ByteString, name: ByteString): Buffer | null {
  return (calls ?? open()).getXattr(path, name);
}

/** False where the file system has no extended attributes. */
export function setXattr(path: ByteString, name: ByteString, value: Uint8Array): boolean {
  return (calls ?? open()).setXattr(path, name, value);
}

export function removeXattr(path: ByteString, name: ByteString): void {
  (calls ?? open()).removeXattr(path, name);
}

/** Access and modification time, to the nanosecond; of the symlink itself unless told to follow it. */
export function setTimes(path: ByteString, atime: Instant, mtime: Instant, follow = false): void {
  (calls ?? open()).setTimes(path, atime, mtime, follow);
}

/** Makes a device file; `mode` is a st_mode with its type. */
export function mknod(path: ByteString, mode: number, device: U64): void {
  (calls ?? open()).mknod(path, mode, device);
}

export function mkfifo(path: ByteString, permissions: number): void {
  (calls ?? open()).mkfifo(path, permissions);
}

/** Offset of the first data at or after `offset`, null where only a hole follows. Moves the file position. */
export function seekData(fd: number, offset: number): number | null {
  return (calls ?? open()).seekData(fd, offset);
}

/** Offset of the first hole at or after `offset`, null beyond the end. Moves the file position. */
export function seekHole(fd: number, offset: number): number | null {
  return (calls ?? open()).seekHole(fd, offset);
}
