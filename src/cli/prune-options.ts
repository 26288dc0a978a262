import { LifeboatError } from '../core/errors.ts';
import { type PruneOptions, unusedShare } from '../engine/prune/options.ts';
import { parseSize } from '../policy/size.ts';
import { flag, type OptionTable, value, valueOr } from './options.ts';

/** Options of `prune` that `forget --prune` takes as well (restic cmd/restic/cmd_prune.go). */
export const pruneOptionTable = {
  'max-unused': valueOr({
    placeholder: 'LIMIT',
    help: 'unused data that may remain: a part of the repository such as 5%, a size such as 2G, or unlimited',
    fallback: unusedShare(0.05),
    parse: parseMaxUnused,
  }),
  'max-repack-size': value({
    placeholder: 'SIZE',
    help: 'repack at most this much, such as 10G',
    parse: parseSize,
  }),
  'repack-cacheable-only': flag({ help: 'repack only packs that a cache holds, those with folders' }),
  'repack-small': flag({ help: 'small packs are repacked anyway', hidden: true }),
  'repack-uncompressed': flag({ help: 'compress everything that is not compressed yet' }),
  'repack-smaller-than': value({
    placeholder: 'SIZE',
    help: 'packs below this size are small, and joined, such as 8M',
    parse: parsePackSize,
  }),
} satisfies OptionTable;

/** `5%`, `2G` or `unlimited`, as a function of the bytes in use. @throws Error saying what was expected. */
function parseMaxUnused(text: string): (usedBytes: number) => number {
  const trimmed = text.trim();
  if (trimmed === 'unlimited') return () => Number.POSITIVE_INFINITY;
  if (trimmed.endsWith('%')) {
    const percent = /^\d+(\.\d+)?%$/.test(trimmed) ? Number(trimmed.slice(0, -1)) : Number.NaN;
    if (!(percent < 100)) throw new Error('expected a percentage from 0% to below 100%');
    return unusedShare(percent / 100);
  }
  try {
    const bytes = parseSize(trimmed);
    return () => bytes;
  } catch (error) {
    throw new Error('expected a percentage such as 5%, a size such as 2G, or unlimited', { cause: error });
  }
}

function parsePackSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes <= 0) throw new Error('expected a size larger than zero');
  return bytes;
}

/** The values of those options. */
export interface PruneValues {
  readonly maxUnused: (usedBytes: number) => number;
  readonly maxRepackSize: number | undefined;
  readonly repackCacheableOnly: boolean;
  readonly repackUncompressed: boolean;
  readonly repackSmallerThan: number | undefined;
}

/** @throws LifeboatError `usage` where options exclude each other. */
export function pruneOptionsOf(values: PruneValues, compression: string): PruneOptions {
  if (values.repackUncompressed && compression === 'off')
    throw new LifeboatError('usage', '--compression off and --repack-uncompressed exclude each other');
  return {
    maxUnusedBytes: values.maxUnused,
    maxRepackBytes: values.maxRepackSize ?? Number.POSITIVE_INFINITY,
    repackCacheableOnly: values.repackCacheableOnly,
    repackUncompressed: values.repackUncompressed,
    smallPackBytes: values.repackSmallerThan ?? 0,
  };
}
