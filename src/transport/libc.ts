import { type LibcCall, openLibcCall } from './libc-call.ts';
import { bindFiles } from './libc-files.ts';
import { bindStat, layoutIsKnown } from './libc-stat.ts';
import { bindXattrs } from './libc-xattrs.ts';
import type { PosixCalls } from './posix-types.ts';

const groups: readonly ((call: LibcCall) => Partial<PosixCalls>)[] = [bindStat, bindXattrs, bindFiles];

/**
 * The calls that the C library answers through node:ffi: all of them on Linux with 64-bit little-endian
 * processors, none elsewhere, and without a group where the C library is too old for it.
 */
export function openLibc(): Partial<PosixCalls> {
  const call = layoutIsKnown ? openLibcCall() : null;
  if (call === null) return {};
  const calls: Partial<PosixCalls> = {};
  for (const bind of groups) {
    try {
      Object.assign(calls, bind(call));
    } catch {
      // A symbol is missing: the calls of this group go the slower way (posix-programs.ts).
    }
  }
  return calls;
}
