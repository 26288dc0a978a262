import type { Requests } from '../measure/requests.ts';
import type { Outcome } from '../measure/side-by-side.ts';
import type { Sample } from '../measure/statistics.ts';

/** What one program needed for the work. */
export interface Row {
  readonly program: string;
  readonly seconds: Sample | null;
  readonly peakBytes: Sample | null;
  readonly storedBytes: Sample | null;
  /** To a server, where it tells. */
  readonly requests?: Sample;
  readonly requestKinds?: Requests;
  /** Percentage points, where a share was compared. */
  readonly points?: Sample;
  /** Why there is nothing. */
  readonly reason: string | null;
}

export type Measure = 'seconds' | 'peakBytes' | 'storedBytes' | 'points' | 'requests';

/** What is asked of the first program named. Without `peer` the number is an absolute one. */
export interface BarRule {
  readonly program: string;
  readonly measure: Measure;
  readonly peer?: string;
  /** `faster`: peer ÷ ours at least `wanted`. `within`: ours ÷ peer, or ours alone, at most `wanted`. */
  readonly kind: 'faster' | 'within';
  readonly wanted: number;
}

export interface Bar extends BarRule {
  readonly ours: number | null;
  readonly theirs: number | null;
  /** As `kind` says; null where there is no peer. */
  readonly ratio: number | null;
  /** Null: not measured. */
  readonly met: boolean | null;
  readonly reason: string | null;
}

/** The same work done by several programs in turns, and what is asked of it. */
export interface Comparison {
  /** Tells it from all others. */
  readonly id: string;
  readonly group: string;
  readonly title: string;
  /** What it was done on. */
  readonly detail: string;
  readonly rows: readonly Row[];
  readonly bars: readonly Bar[];
  readonly runs: number;
}

export function rowOf(program: string, outcome: Outcome): Row {
  return { program, ...outcome, reason: null };
}

export function missingRow(program: string, reason: string): Row {
  return { program, seconds: null, peakBytes: null, storedBytes: null, reason };
}

/** Time and size by their median; memory by its most, because a limit is one that always holds. */
function numberOf(row: Row | undefined, measure: Measure): number | null {
  const sample = row?.[measure] ?? null;
  if (sample === null) return null;
  return measure === 'peakBytes' ? sample.most : sample.median;
}

/** Holds a rule against the rows. */
export function barOf(rule: BarRule, rows: readonly Row[]): Bar {
  const row = (name: string): Row | undefined => rows.find(({ program }) => program === name);
  const ours = numberOf(row(rule.program), rule.measure);
  const theirs = rule.peer === undefined ? null : numberOf(row(rule.peer), rule.measure);
  const nothing = (name: string): string =>
    `${name}: ${row(name)?.reason ?? 'no such number on this system'}`;
  if (ours === null) return { ...rule, ours, theirs, ratio: null, met: null, reason: nothing(rule.program) };
  if (rule.peer === undefined)
    return { ...rule, ours, theirs, ratio: null, met: ours <= rule.wanted, reason: null };
  if (theirs === null) return { ...rule, ours, theirs, ratio: null, met: null, reason: nothing(rule.peer) };
  const ratio = rule.kind === 'faster' ? theirs / ours : ours / theirs;
  const met = rule.kind === 'faster' ? ratio >= rule.wanted : ratio <= rule.wanted;
  return { ...rule, ours, theirs, ratio, met, reason: null };
}
