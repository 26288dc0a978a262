import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Comparison } from './comparison.ts';
import type { Circumstances } from './machine.ts';

/** What one call of the bench measured of a group. */
export interface GroupResult {
  readonly group: string;
  readonly circumstances: Circumstances;
  readonly comparisons: readonly Comparison[];
  /** What a group printed that has no comparisons. */
  readonly text?: string;
}

export interface Results {
  readonly version: 1;
  readonly groups: readonly GroupResult[];
}

/** Earlier results, or none where the file is absent or of another version. */
export function readResults(path: string): Results {
  const none: Results = { version: 1, groups: [] };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // Nothing was measured yet.
    return none;
  }
  const results = JSON.parse(text) as Results;
  return results.version === 1 ? results : none;
}

/** The groups measured now replace what was known of them; the others stay, with their own dates. */
export function mergeResults(
  before: Results,
  fresh: readonly GroupResult[],
  order: readonly string[],
): Results {
  const now = new Set(fresh.map(({ group }) => group));
  const groups = [...before.groups.filter(({ group }) => !now.has(group)), ...fresh];
  return { version: 1, groups: groups.sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group)) };
}

/** Writes a file so that a reader never meets half of it. */
export function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, text);
  renameSync(fresh, path);
}
