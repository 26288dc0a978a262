import process from 'node:process';
import type { U64 } from '../model/node.ts';
import type { LibcCall } from './libc-call.ts';
import type { FileStat, PosixCalls } from './posix-types.ts';

const twoTo32 = 2 ** 32;

/** Offsets in `struct stat`, in 32-bit words (asm/stat.h, asm-generic/stat.h); glibc and musl share them. */
interface StatLayout {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
}

const genericLayout: StatLayout = { mode: 4, nlink: 5, uid: 6, gid: 7, rdev: 8 };
const layouts: Readonly<Partial<Record<NodeJS.Architecture, StatLayout>>> = {
  x64: { mode: 6, nlink: 4, uid: 7, gid: 8, rdev: 10 },
  arm64: genericLayout,
  riscv64: genericLayout,
  loong64: genericLayout,
};
/** The same in every layout. */
const devWord = 0;
const inoWord = 2;
const sizeWord = 12;
const atimeWord = 18;
const mtimeWord = 22;
const ctimeWord = 26;
const statWords = 64;

/** Whether the layouts above cover this machine. */
export const layoutIsKnown = process.platform === 'linux' && layouts[process.arch] !== undefined;

function u64At(words: Uint32Array, at: number): U64 {
  const low = words[at]!;
  const high = words[at + 1]!;
  if (high < 0x200000) return high * twoTo32 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

function secondsAt(words: Uint32Array, at: number): number {
  return (words[at + 1]! | 0) * twoTo32 + words[at]!;
}

function decode(words: Uint32Array, layout: StatLayout): FileStat {
  return {
    mode: words[layout.mode]!,
    uid: words[layout.uid]!,
    gid: words[layout.gid]!,
    size: u64At(words, sizeWord),
    ino: u64At(words, inoWord),
    dev: u64At(words, devWord),
    rdev: u64At(words, layout.rdev),
    nlink: words[layout.nlink]!,
    atimeSec: secondsAt(words, atimeWord),
    atimeNsec: words[atimeWord + 2]!,
    mtimeSec: secondsAt(words, mtimeWord),
    mtimeNsec: words[mtimeWord + 2]!,
    ctimeSec: secondsAt(words, ctimeWord),
    ctimeNsec: words[ctimeWord + 2]!,
  };
}

/** @throws where the C library has not these symbols (glibc before 2.33). */
export function bindStat(call: LibcCall): Pick<PosixCalls, 'lstat' | 'fstat' | 'mknod'> {
  const layout = layouts[process.arch] ?? genericLayout;
  const words = new Uint32Array(statWords);
  const libc = call.ffi.dlopen(null, {
    lstat: { arguments: ['buffer', 'buffer'], return: 'int32' },
    fstat: { arguments: ['int32', 'buffer'], return: 'int32' },
    mknod: { arguments: ['buffer', 'uint32', 'uint64'], return: 'int32' },
  }).functions;
  return {
    lstat(path) {
      call.check(libc.lstat(call.path(path, 'lstat'), words), 'lstat', path);
      return decode(words, layout);
    },
    fstat(fd) {
      call.check(libc.fstat(fd, words), 'fstat', '');
      return decode(words, layout);
    },
    mknod(path, mode, device) {
      call.check(libc.mknod(call.path(path, 'mknod'), mode, BigInt(device)), 'mknod', path);
    },
  };
}
