export interface DiffLine {
  readonly sign: ' ' | '+' | '-';
  readonly text: string;
}

/** The lines of both as a unified diff without context left out: a longest common subsequence stays. For short texts. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let a = before.length - 1; a >= 0; a--) {
    for (let b = after.length - 1; b >= 0; b--) {
      common[a * width + b] =
        before[a] === after[b]
          ? common[(a + 1) * width + b + 1]! + 1
          : Math.max(common[(a + 1) * width + b]!, common[a * width + b + 1]!);
    }
  }
  const lines: DiffLine[] = [];
  let a = 0;
  let b = 0;
  while (a < before.length || b < after.length) {
    if (a < before.length && b < after.length && before[a] === after[b]) {
      lines.push({ sign: ' ', text: before[a]! });
      a++;
      b++;
    } else if (
      b === after.length ||
      (a < before.length && common[(a + 1) * width + b]! >= common[a * width + b + 1]!)
    )
      lines.push({ sign: '-', text: before[a++]! });
    else lines.push({ sign: '+', text: after[b++]! });
  }
  return lines;
}
