import { constants } from 'node:os';
import type { ByteString } from '../core/bytestring.ts';
import type { LibcCall } from './libc-call.ts';
import type { PosixCalls } from './posix-types.ts';
import { SystemError } from './system-error.ts';

/** The kernel sets aside as much as it is offered, so the first try is small. */
const bytesFirst = 1024;
/** Linux limits a value to 64 KiB; the kernels behind network file systems do not. */
const bytesMax = 64 << 20;
const { ENODATA, ENOTSUP, EOPNOTSUPP, ERANGE, E2BIG, EINTR, EOVERFLOW } = constants.errno;

/** SMB mounts say ENODATA where others say ENOTSUP. */
function meansNone(errno: number): boolean {
  return errno === ENOTSUP || errno === EOPNOTSUPP || errno === ENODATA;
}

type XattrCalls = Pick<PosixCalls, 'listXattrs' | 'getXattr' | 'setXattr' | 'removeXattr'>;

/** Extended attributes, xattr(7). @throws where the C library has not these symbols. */
export function bindXattrs(call: LibcCall): XattrCalls {
  const libc = call.ffi.dlopen(null, {
    llistxattr: { arguments: ['buffer', 'buffer', 'uint64'], return: 'int64' },
    lgetxattr: { arguments: ['buffer', 'buffer', 'buffer', 'uint64'], return: 'int64' },
    lsetxattr: { arguments: ['buffer', 'buffer', 'buffer', 'uint64', 'int32'], return: 'int32' },
    lremovexattr: { arguments: ['buffer', 'buffer'], return: 'int32' },
  }).functions;
  const small = Buffer.alloc(bytesFirst);
  const smallLength = BigInt(bytesFirst);
  const empty = Buffer.alloc(1);

  /**
   * What a call writes into a buffer large enough for it (a view of the shared one, to be copied), or null
   * where there is nothing to be had.
   */
  const read = (
    name: string,
    path: string,
    invoke: (target: Buffer, length: bigint) => bigint,
  ): Buffer | null => {
    let target = small;
    let length = smallLength;
    for (;;) {
      const got = Number(invoke(target, length));
      if (got >= 0 && got < target.length) return target.subarray(0, got);
      const errno = got < 0 ? call.errno() : ERANGE;
      if (meansNone(errno)) return null;
      if (errno === EINTR) continue;
      if (errno !== ERANGE && errno !== E2BIG) throw new SystemError(errno, name, path);
      if (target.length >= bytesMax) throw new SystemError(EOVERFLOW, name, path);
      target = Buffer.alloc(target.length * 8);
      length = BigInt(target.length);
    }
  };

  return {
    listXattrs(path) {
      const place = call.path(path, 'llistxattr');
      const list = read('llistxattr', path, (target, length) => libc.llistxattr(place, target, length));
      if (list === null || list.length === 0) return [];
      const names = list.toString('latin1').split('\0');
      names.pop();
      return names as ByteString[];
    },
    getXattr(path, name) {
      const place = call.path(path, 'lgetxattr');
      const key = call.name(name, 'lgetxattr');
      const value = read('lgetxattr', path, (target, length) => libc.lgetxattr(place, key, target, length));
      return value === null ? null : Buffer.from(value);
    },
    setXattr(path, name, value) {
      const place = call.path(path, 'lsetxattr');
      const key = call.name(name, 'lsetxattr');
      const bytes = value.length === 0 ? empty : value;
      if (libc.lsetxattr(place, key, bytes, BigInt(value.length), 0) >= 0) return true;
      const errno = call.errno();
      if (meansNone(errno)) return false;
      throw new SystemError(errno, 'lsetxattr', path);
    },
    removeXattr(path, name) {
      if (libc.lremovexattr(call.path(path, 'lremovexattr'), call.name(name, 'lremovexattr')) >= 0) return;
      const errno = call.errno();
      if (!meansNone(errno)) throw new SystemError(errno, 'lremovexattr', path);
    },
  };
}
