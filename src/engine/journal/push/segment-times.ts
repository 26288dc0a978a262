import type { Lsn } from '../../../model/wal.ts';
import { createWalScanner, type WalMark } from '../../../sources/postgres/wal/scanner.ts';

interface Sizes {
  readonly segmentBytes: number;
  readonly blockBytes: number;
}

const stepBytes = 256 * 1024;

const endsOf = (marks: readonly WalMark[]): WalMark[] => marks.filter(({ kind }) => kind !== 'restore-point');

/**
 * When the first and the last transaction ended whose records are in a segment. Only its two ends are read, as far
 * as that takes: reading starts at any page.
 */
export function commitTimesOf(
  bytes: Uint8Array,
  start: Lsn,
  sizes: Sizes,
): { readonly firstCommitMs: number | null; readonly lastCommitMs: number | null } {
  const first = firstEnd(bytes, start, sizes);
  if (first === null) return { firstCommitMs: null, lastCommitMs: null };
  const last = lastEnd(bytes, start, sizes) ?? first;
  return { firstCommitMs: first.timeMs, lastCommitMs: last.timeMs };
}

function firstEnd(bytes: Uint8Array, start: Lsn, sizes: Sizes): WalMark | null {
  const scanner = createWalScanner(sizes);
  for (let at = 0; at < bytes.length; at += stepBytes) {
    const found = endsOf(scanner.feed(start + BigInt(at), bytes.subarray(at, at + stepBytes)));
    if (found[0]) return found[0];
  }
  return null;
}

function lastEnd(bytes: Uint8Array, start: Lsn, sizes: Sizes): WalMark | null {
  for (let back = stepBytes; ; back *= 4) {
    const from = Math.max(0, bytes.length - back);
    const page = from - (from % sizes.blockBytes);
    const found = endsOf(createWalScanner(sizes).feed(start + BigInt(page), bytes.subarray(page)));
    if (found.length > 0) return found.at(-1)!;
    if (page === 0) return null;
  }
}
