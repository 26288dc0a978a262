import { type Contender, sideBySide } from './measure/side-by-side.ts';
import type { Program } from './programs/program.ts';
import { type BarRule, barOf, type Comparison, missingRow, type Row, rowOf } from './report/comparison.ts';
import { NotMeasured, type Settings } from './settings.ts';

/** The programs at hand; a peer that is missing is its reason. */
export interface Bench {
  readonly settings: Settings;
  readonly lifeboat: Program;
  readonly restic: Program | NotMeasured;
  readonly emit: (comparison: Comparison) => void;
}

/** One piece of work to measure. */
export interface Work {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly rules: readonly BarRule[];
  /** Makes the data and whatever must be there before. @throws NotMeasured. */
  readonly prepare: () => Promise<Prepared> | Prepared;
}

export interface Prepared {
  /** What it was done on; a function is asked when all runs are done. */
  readonly detail: string | (() => string);
  readonly contenders: readonly Contender[];
  /** Programs that cannot take part. */
  readonly missing?: ReadonlyMap<string, NotMeasured>;
  /** Where other than `settings.runs`. */
  readonly runs?: number;
}

/** Measures a piece of work and hands the result on, also where there is none. */
export async function runWork(bench: Bench, work: Work): Promise<Comparison> {
  const { id, group, title, rules } = work;
  let comparison: Comparison;
  try {
    const { detail, contenders, missing = new Map(), runs = bench.settings.runs } = await work.prepare();
    const outcomes = await sideBySide({ ...bench.settings, runs }, title, contenders);
    const absent = [...missing].map(([name, { message }]) => missingRow(name, message));
    const rows = [...outcomes].map(([name, outcome]) =>
      outcome instanceof NotMeasured ? missingRow(name, outcome.message) : rowOf(name, outcome),
    );
    const isOurs = ({ program }: Row): number => Number(program === bench.lifeboat.name);
    const all = [...rows, ...absent].sort((a, b) => isOurs(b) - isOurs(a));
    const told = typeof detail === 'string' ? detail : detail();
    comparison = {
      id,
      group,
      title,
      detail: told,
      rows: all,
      bars: rules.map((rule) => barOf(rule, all)),
      runs,
    };
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
    const names = [
      ...new Set(rules.flatMap(({ program, peer }) => (peer === undefined ? [program] : [program, peer]))),
    ];
    const { restic } = bench;
    const reasonOf = (name: string): string =>
      restic instanceof NotMeasured && name === nameOf(restic, 'restic') ? restic.message : error.message;
    const rows = names.map((name) => missingRow(name, reasonOf(name)));
    comparison = {
      id,
      group,
      title,
      detail: '',
      rows,
      bars: rules.map((rule) => barOf(rule, rows)),
      runs: 0,
    };
  }
  bench.emit(comparison);
  return comparison;
}

/** The name of a peer, also of a missing one. */
export function nameOf(peer: Program | NotMeasured, otherwise: string): string {
  return peer instanceof NotMeasured ? otherwise : peer.name;
}

/** What `make` gives, or why it cannot: a missing peer must not end the work of the others. */
export function orReason<T>(make: () => T): T | NotMeasured {
  try {
    return make();
  } catch (error) {
    if (error instanceof NotMeasured) return error;
    throw error;
  }
}

/** Prepares each program for itself: one that cannot be prepared is missing, the others take part. */
export async function takingPart(
  candidates: readonly (readonly [name: string, prepare: () => Promise<Contender> | Contender])[],
): Promise<Pick<Prepared, 'contenders' | 'missing'>> {
  const contenders: Contender[] = [];
  const missing = new Map<string, NotMeasured>();
  for (const [name, prepare] of candidates) {
    try {
      contenders.push(await prepare());
    } catch (error) {
      if (!(error instanceof NotMeasured)) throw error;
      missing.set(name, error);
    }
  }
  return { contenders, missing };
}

/** The peer, or the throw of why it is missing. */
export function present(peer: Program | NotMeasured): Program {
  if (peer instanceof NotMeasured) throw peer;
  return peer;
}

/** Who makes the repositories that all programs then read: restic, so that nobody can say they suit Lifeboat. */
export function writer({ lifeboat, restic }: Bench): Program {
  return restic instanceof NotMeasured ? lifeboat : restic;
}
