import type { ImmutabilityPolicy } from '../../model/configuration.ts';
import type { ObjectProtection, RetentionMode } from '../../model/retention.ts';

/**
 * How retention follows what is needed. What is stored is kept for the policy's `for`. From time to time everything
 * that snapshots need and that has less than three quarters of it left is given all of it anew; the config is given it
 * last, so it tells when that was. It is due when the config has less than three quarters left: then nothing that was
 * needed at the time before has less than half.
 */
const extendBelow = 0.75;

/** Another machine's policy may be this much longer without making an extension due. */
const toleranceMs = 60_000;

/** Whether an extension is due, by what protects the config; null: nothing does. */
export function isExtensionDue(
  config: ObjectProtection['retention'],
  { mode, forMs }: ImmutabilityPolicy,
  nowMs: number,
): boolean {
  if (config === null || isWeaker(config.mode, mode)) return true;
  const leftMs = config.untilMs - nowMs;
  // What is longer than the policy says nothing of when that was.
  return leftMs < extendBelow * forMs || leftMs > forMs + toleranceMs;
}

function isWeaker(mode: RetentionMode, wanted: RetentionMode): boolean {
  return mode === 'governance' && wanted === 'compliance';
}

export interface CandidateObject {
  readonly key: string;
  readonly size: number;
  readonly versionId: string;
  readonly modifiedMs: number;
}

/** Whether an object is so young that it has three quarters left, if it was stored under this policy. */
export function isYoung(
  { modifiedMs }: Pick<CandidateObject, 'modifiedMs'>,
  { forMs }: ImmutabilityPolicy,
  nowMs: number,
): boolean {
  return modifiedMs + forMs > nowMs + extendBelow * forMs;
}

/** So many of the young objects are asked about, the oldest among them. */
const samplesMax = 8;

/** Those of the young objects that are to tell whether all were stored under this policy. */
export function samplesOf(young: readonly CandidateObject[]): CandidateObject[] {
  const byAge = young.toSorted((a, b) => a.modifiedMs - b.modifiedMs);
  const step = Math.max(1, Math.ceil(byAge.length / samplesMax));
  return byAge.filter((_, n) => n % step === 0);
}

/** Whether an object was stored under this policy, or is protected for longer. */
export function wasStoredUnder(
  { mode, forMs }: ImmutabilityPolicy,
  { modifiedMs }: Pick<CandidateObject, 'modifiedMs'>,
  { retention }: Pick<ObjectProtection, 'retention'>,
): boolean {
  if (retention === null || isWeaker(retention.mode, mode)) return false;
  return retention.untilMs >= modifiedMs + forMs - toleranceMs - forMs / 100;
}

export interface DueObject extends CandidateObject {
  readonly mode: RetentionMode;
  /** Until when it is protected; null: it is not. */
  readonly before: number | null;
}

export interface ExtensionPlan {
  readonly forMs: number;
  readonly untilMs: number;
  /** In the order in which they are extended: the config last. */
  readonly extend: readonly DueObject[];
  readonly extendBytes: number;
  /** Needed objects that have enough left. */
  readonly kept: number;
  /** Of the objects to extend: those that nothing protects any more. */
  readonly unprotected: number;
}

/** Decides what is extended. @param protections of the candidates; those without one have enough left. */
export function planExtension(
  candidates: readonly CandidateObject[],
  protections: ReadonlyMap<CandidateObject, ObjectProtection>,
  { mode, forMs }: ImmutabilityPolicy,
  nowMs: number,
): ExtensionPlan {
  const extend: DueObject[] = [];
  for (const candidate of candidates) {
    const known = protections.get(candidate);
    if (!known) continue;
    const { retention } = known;
    const enough = retention !== null && retention.untilMs - nowMs >= extendBelow * forMs;
    if (enough && !isWeaker(retention.mode, mode)) continue;
    extend.push({
      ...candidate,
      // What nobody can lift does not become what somebody can.
      mode: retention?.mode === 'compliance' ? 'compliance' : mode,
      before: retention?.untilMs ?? null,
    });
  }
  const rank = ({ key }: DueObject): number => (key === 'config' ? 1 : 0);
  extend.sort((a, b) => rank(a) - rank(b));
  const untilMs = nowMs + forMs;
  return {
    forMs,
    untilMs,
    extend,
    extendBytes: extend.reduce((sum, { size }) => sum + size, 0),
    kept: candidates.length - extend.length,
    unprotected: extend.filter(({ before }) => before === null || before <= nowMs).length,
  };
}
