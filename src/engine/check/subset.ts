import { parseSize } from '../../policy/size.ts';

/** Which part of the packs `--read-data-subset` reads (restic cmd/restic/cmd_check.go). */
export type DataSubset =
  | { readonly kind: 'all' }
  /** Group `part` of `parts`, by the first byte of a pack's ID: all groups together are everything. */
  | { readonly kind: 'group'; readonly part: number; readonly parts: number }
  /** Chosen at random, as part of the number of packs: above 0 and at most 1. */
  | { readonly kind: 'share'; readonly share: number }
  /** Chosen at random, about this many bytes. */
  | { readonly kind: 'bytes'; readonly bytes: number };

/** An ID's first byte tells no more groups apart. */
const partsMax = 256;

/** @throws Error saying what was expected. */
export function parseDataSubset(text: string): DataSubset {
  const group = /^\+?(\d+)\/\+?(\d+)$/.exec(text);
  if (group) {
    const part = Number(group[1]);
    const parts = Number(group[2]);
    if (part < 1 || part > parts || parts > partsMax)
      throw new Error(`expected n/t with 1 <= n <= t <= ${partsMax}, such as 1/5`);
    return { kind: 'group', part, parts };
  }
  if (text.endsWith('%')) {
    const percent = /^\d*\.?\d+%$|^\d+\.%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
    if (!(percent > 0 && percent <= 100))
      throw new Error('expected a percentage above 0% and at most 100%, such as 2.5%');
    return { kind: 'share', share: percent / 100 };
  }
  const bytes = parseByteSize(text);
  if (bytes <= 0) throw new Error('expected a size above 0');
  return { kind: 'bytes', bytes };
}

function parseByteSize(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new Error('expected n/t such as 1/5, a percentage such as 2.5%, or a size such as 500M', {
      cause: error,
    });
  }
}

export interface SizedPack {
  readonly id: string;
  readonly bytes: number;
}

/** The packs of a subset. `random` gives numbers from 0 up to 1. */
export function choosePacks<T extends SizedPack>(
  packs: readonly T[],
  subset: DataSubset,
  random: () => number,
): T[] {
  if (subset.kind === 'all') return [...packs];
  if (subset.kind === 'group') {
    const { part, parts } = subset;
    return packs.filter(({ id }) => Number.parseInt(id.slice(0, 2), 16) % parts === part - 1);
  }
  const total = packs.reduce((sum, { bytes }) => sum + bytes, 0);
  const share = subset.kind === 'share' ? subset.share : Math.min(1, subset.bytes / Math.max(1, total));
  const count = Math.min(packs.length, Math.max(1, Math.floor(packs.length * share)));
  const shuffled = [...packs];
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(random() * (shuffled.length - at));
    [shuffled[at], shuffled[other]] = [shuffled[other]!, shuffled[at]!];
  }
  return shuffled.slice(0, count);
}
