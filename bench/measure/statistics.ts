/** Several measurements of one thing. */
export interface Sample {
  readonly values: readonly number[];
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** @param values at least one. */
export function sampleOf(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { values, median, least: sorted[0]!, most: sorted.at(-1)! };
}
