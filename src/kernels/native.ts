import type { DynamicLibraryResult, FunctionDefinitions } from 'node:ffi';

/**
 * Functions that the running Node binary already carries (OpenSSL, zstd), called through `node:ffi`.
 *
 * That module is experimental, so every kernel which uses it also has a version that does not, and picks
 * at start: no module, no symbol or a wrong answer to the self-test means the other version.
 */

type Ffi = typeof import('node:ffi');

let cached: Ffi | null | undefined;

/** `node:ffi`, or null where this Node has none or `LIFEBOAT_NATIVE=0` forbids it. */
function loadFfi(): Ffi | null {
  if (process.env.LIFEBOAT_NATIVE === '0') return null;
  // The first load prints an ExperimentalWarning, which is of no use to someone who runs a backup.
  const emitWarning = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule('node:ffi') ?? null;
  } catch {
    // Switched off by a flag or the permission model: the other version of each kernel serves.
    return null;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * Binds functions of the running process by name. The signatures are the caller's responsibility: a wrong
 * one corrupts memory.
 *
 * @returns null when there is no FFI here or one of the symbols is not exported.
 */
export function bindNative<const T extends FunctionDefinitions>(
  definitions: T,
): DynamicLibraryResult<T>['functions'] | null {
  if (cached === undefined) cached = loadFfi();
  if (cached === null) return null;
  try {
    return cached.dlopen(null, definitions).functions;
  } catch {
    // This build of Node does not export what the kernel needs.
    return null;
  }
}

export interface NativeMemory {
  readonly bytes: Uint8Array;
  /** Address of `bytes[0]`, good as long as `bytes` is referenced. Passing it costs a tenth of passing an array. */
  readonly pointer: bigint;
}

/** Zeroed memory that does not move, for contexts and small arguments. Null where there is no FFI. */
export function nativeMemory(length: number): NativeMemory | null {
  if (cached === undefined) cached = loadFfi();
  if (cached === null) return null;
  // An array as short as a digest would lie in V8's own heap, which the garbage collector moves about.
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(length, 256)), 0, length);
  return { bytes, pointer: cached.getRawPointer(bytes) };
}

/** Takes what `build` makes if `passes` says that it works, and null if it is missing, wrong or throws. */
export function selfTested<T>(build: () => T | null, passes: (kernel: T) => boolean): T | null {
  try {
    const kernel = build();
    return kernel !== null && passes(kernel) ? kernel : null;
  } catch {
    // A kernel that throws in its self-test is as good as absent.
    return null;
  }
}
