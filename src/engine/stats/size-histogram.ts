/** How many things have about this size. */
export interface SizeClass {
  /** In bytes, both included. */
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

export interface SizeHistogram {
  readonly count: number;
  readonly bytes: number;
  /** From the first to the last class that is not empty. */
  readonly classes: readonly SizeClass[];
  /** Sizes above the limit. */
  readonly oversized: readonly number[];
}

/** Counts sizes by powers of ten. */
export function sizeHistogram(sizes: Iterable<number>, limit: number): SizeHistogram {
  const classes: { lower: number; upper: number; count: number }[] = [{ lower: 0, upper: 0, count: 0 }];
  for (let lower = 1; lower < limit; lower *= 10)
    classes.push({ lower, upper: Math.min(lower * 10 - 1, limit), count: 0 });
  const oversized: number[] = [];
  let count = 0;
  let bytes = 0;
  for (const size of sizes) {
    count++;
    bytes += size;
    const found = classes.find(({ lower, upper }) => size >= lower && size <= upper);
    if (found) found.count++;
    else oversized.push(size);
  }
  const first = classes.findIndex((one) => one.count > 0);
  const last = classes.findLastIndex((one) => one.count > 0);
  return { count, bytes, classes: first < 0 ? [] : classes.slice(first, last + 1), oversized };
}
