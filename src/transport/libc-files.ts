import { constants } from 'node:os';
import type { Instant } from '../model/time.ts';
import type { LibcCall } from './libc-call.ts';
import type { PosixCalls } from './posix-types.ts';
import { SystemError } from './system-error.ts';

const twoTo32 = 2 ** 32;
const atFdCwd = -100;
const atSymlinkNofollow = 0x100;
const seekDataWhence = 3;
const seekHoleWhence = 4;

/** `struct timespec` in 32-bit words. */
function putTimespec(words: Uint32Array, at: number, { seconds, nanoseconds }: Instant): void {
  const high = Math.floor(seconds / twoTo32);
  words[at] = seconds - high * twoTo32;
  words[at + 1] = high;
  words[at + 2] = nanoseconds;
  words[at + 3] = 0;
}

type FileCalls = Pick<PosixCalls, 'setTimes' | 'mkfifo' | 'seekData' | 'seekHole'>;

/** @throws where the C library has not these symbols. */
export function bindFiles(call: LibcCall): FileCalls {
  const libc = call.ffi.dlopen(null, {
    utimensat: { arguments: ['int32', 'buffer', 'buffer', 'int32'], return: 'int32' },
    mkfifo: { arguments: ['buffer', 'uint32'], return: 'int32' },
    lseek: { arguments: ['int32', 'int64', 'int32'], return: 'int64' },
  }).functions;
  const times = new Uint32Array(8);

  const seek = (fd: number, offset: number, whence: number): number | null => {
    const result = Number(libc.lseek(fd, BigInt(offset), whence));
    if (result >= 0) return result;
    const errno = call.errno();
    if (errno === constants.errno.ENXIO) return null;
    throw new SystemError(errno, 'lseek', '');
  };

  return {
    setTimes(path, atime, mtime, follow) {
      putTimespec(times, 0, atime);
      putTimespec(times, 4, mtime);
      const flags = follow ? 0 : atSymlinkNofollow;
      call.check(libc.utimensat(atFdCwd, call.path(path, 'utimensat'), times, flags), 'utimensat', path);
    },
    mkfifo(path, permissions) {
      call.check(libc.mkfifo(call.path(path, 'mkfifo'), permissions), 'mkfifo', path);
    },
    seekData: (fd, offset) => seek(fd, offset, seekDataWhence),
    seekHole: (fd, offset) => seek(fd, offset, seekHoleWhence),
  };
}
