import { constants } from 'node:os';
import process from 'node:process';
import { SystemError } from './system-error.ts';

const pathBytesMax = 4096;
const nameBytesMax = 255;
const { ENAMETOOLONG, EINVAL } = constants.errno;

export type Ffi = typeof import('node:ffi');

/** What every group of calls into the C library shares. */
export interface LibcCall {
  readonly ffi: Ffi;
  /** The error number of this thread's last failed call; to be read before anything else is called. */
  errno(): number;
  /** Puts a path, ended by a zero, where the C library finds it. */
  path(text: string, call: string): Buffer;
  /** The same for the name of an attribute. */
  name(text: string, call: string): Buffer;
  /** Throws the error of a call that returned less than zero. */
  check(result: number, call: string, path: string): void;
}

/** node:ffi without the line it prints about being experimental; null where this Node has none. */
function loadFfi(): Ffi | null {
  const emit = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return (process.getBuiltinModule('node:ffi') as Ffi | undefined) ?? null;
  } finally {
    process.emitWarning = emit;
  }
}

function place(target: Buffer, text: string, call: string): Buffer {
  if (text.length >= target.length) throw new SystemError(ENAMETOOLONG, call, text);
  if (text.includes('\0')) throw new SystemError(EINVAL, call, text);
  target[target.write(text, 0, 'latin1')] = 0;
  return target;
}

/** Null where the C library cannot be called. The process itself is linked to it, so it needs no file name. */
export function openLibcCall(): LibcCall | null {
  const ffi = loadFfi();
  if (ffi === null) return null;
  const { __errno_location } = ffi.dlopen(null, {
    __errno_location: { arguments: [], return: 'pointer' },
  }).functions;
  const errnoAddress = __errno_location();
  const errno = (): number => ffi.getInt32(errnoAddress, 0);
  const pathBuffer = Buffer.alloc(pathBytesMax);
  const nameBuffer = Buffer.alloc(nameBytesMax + 1);
  return {
    ffi,
    errno,
    path: (text, call) => place(pathBuffer, text, call),
    name: (text, call) => place(nameBuffer, text, call),
    check: (result, call, path) => {
      if (result < 0) throw new SystemError(errno(), call, path);
    },
  };
}
