/** Keys remembered at most; beyond that trees are searched again, which only costs time. */
const keysMax = 500_000;

/**
 * Remembers trees below which nothing was found, so that what snapshots have in common is searched once.
 * Follows a walk: `enter` and `leave` (or `abandon`) for each folder.
 */
export interface BarrenTrees {
  has(key: string): boolean;
  enter(key: string): void;
  leave(): void;
  /** The folder entered last could not be searched to its end. */
  abandon(): void;
  /** Something was found here. */
  hit(): void;
  /** Forgets what is open, where a walk was ended early. */
  reset(): void;
}

export function rememberBarrenTrees(): BarrenTrees {
  const barren = new Set<string>();
  let open: { readonly key: string; readonly hits: number }[] = [];
  let hits = 0;
  return {
    has: (key) => barren.has(key),
    enter: (key) => void open.push({ key, hits }),
    leave() {
      const folder = open.pop();
      if (folder?.hits === hits && barren.size < keysMax) barren.add(folder.key);
    },
    abandon() {
      open.pop();
      hits++;
    },
    hit: () => void hits++,
    reset() {
      open = [];
    },
  };
}
