import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';
import { compareTimes } from '../../model/time.ts';

export interface Entry {
  readonly path: ByteString;
  readonly node: TreeNode;
}

type Compare = (a: Entry, b: Entry) => number;

const compare = <T extends string | number | bigint>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
const sizeOf = ({ node }: Entry): number | bigint => (node.type === 'file' ? (node.size ?? 0) : 0);

/** From the last dot of the last name on; empty where there is none (Go's filepath.Ext). */
function extension({ path }: Entry): string {
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') ? path.slice(dot) : '';
}

const byTime =
  (field: 'mtime' | 'atime' | 'ctime'): Compare =>
  (a, b) =>
    compareTimes(a.node[field], b.node[field]);

/** Orders of `ls --sort`; equal entries follow their paths. `name` is the order of the walk. */
const orders = {
  name: null,
  size: (a, b) => compare(sizeOf(a), sizeOf(b)),
  time: byTime('mtime'),
  mtime: byTime('mtime'),
  atime: byTime('atime'),
  ctime: byTime('ctime'),
  extension: (a, b) => compare(extension(a), extension(b)),
} satisfies Record<string, Compare | null>;

export type SortOrder = keyof typeof orders;

export const sortOrders = Object.keys(orders) as SortOrder[];

export function sortEntries(entries: readonly Entry[], order: SortOrder, reverse: boolean): Entry[] {
  const by: Compare | null = orders[order];
  const sorted = by ? entries.toSorted((a, b) => by(a, b) || compare(a.path, b.path)) : [...entries];
  return reverse ? sorted.reverse() : sorted;
}
