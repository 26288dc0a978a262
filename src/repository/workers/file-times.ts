import { bindNative } from '../../kernels/native.ts';

const twoTo32 = 2 ** 32;

/** Sets access and modification time of an open file; false where that failed. */
export type SetFileTimes = (fd: number, times: Float64Array, at: number) => boolean;

/**
 * futimens(2), which node:fs offers only with the precision of a double.
 *
 * @returns null where the C library cannot be called; the function takes seconds and nanoseconds of the
 *   access time, then of the modification time, from `times[at]` on.
 */
export function bindFileTimes(): SetFileTimes | null {
  const libc = bindNative({ futimens: { arguments: ['int32', 'buffer'], return: 'int32' } });
  if (libc === null) return null;
  /** Two `struct timespec` in 32-bit words. */
  const words = new Uint32Array(8);
  return (fd, times, at) => {
    for (let n = 0; n < 2; n++) {
      const seconds = times[at + 2 * n]!;
      const high = Math.floor(seconds / twoTo32);
      words[4 * n] = seconds - high * twoTo32;
      words[4 * n + 1] = high;
      words[4 * n + 2] = times[at + 2 * n + 1]!;
      words[4 * n + 3] = 0;
    }
    return libc.futimens(fd, words) === 0;
  };
}
