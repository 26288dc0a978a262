import { LifeboatError } from '../../core/errors.ts';
import { loadUnit } from '../../journal/load-unit.ts';
import { formatLsn, type Lsn, segmentName, segmentStart, type Timeline } from '../../model/wal.ts';
import type { ClusterLog } from './cluster-log.ts';
import type { Leg } from './timelines.ts';

/** A segment of the log as recovery is to get it. */
export interface LogUnit {
  /** The name under which PostgreSQL asks for it first: that of the newest timeline that has begun by its end. */
  readonly name: string;
  /** A whole segment; zeros behind `end`. */
  readonly bytes: Buffer;
  /** The log ends here, in bytes of the segment. */
  readonly end: number;
}

/** Names of the segment on the timelines of the way that have begun by its end, newest first, with what each may give. */
export function namesOfUnit(
  legs: readonly Leg[],
  number: bigint,
  segmentBytes: number,
): { readonly timeline: Timeline; readonly name: string; readonly end: Lsn }[] {
  const start = segmentStart({ timeline: 1, number }, segmentBytes);
  const end = start + BigInt(segmentBytes);
  return legs
    .filter((leg) => leg.start < end && (leg.end === null || leg.end > start))
    .map((leg) => ({
      timeline: leg.timeline,
      name: segmentName({ timeline: leg.timeline, number }, segmentBytes),
      // What a timeline wrote behind the fork is not part of the way.
      end: leg.end === null || leg.end > end ? end : leg.end,
    }))
    .reverse();
}

interface Part {
  readonly from: number;
  readonly to: number;
}

/** Parts of [0, end) that none of the intervals covers. */
function uncovered(covered: readonly Part[], end: number): Part[] {
  const open: Part[] = [];
  let at = 0;
  for (const { from, to } of [...covered].sort((a, b) => a.from - b.from)) {
    if (from > at) open.push({ from: at, to: Math.min(from, end) });
    at = Math.max(at, to);
    if (at >= end) break;
  }
  if (at < end) open.push({ from: at, to: end });
  return open.filter(({ from, to }) => from < to);
}

/**
 * Puts a segment together for a recovery along `legs`: from whatever place and timeline holds its parts, as the
 * segment of a fork begins with its parent's bytes on every later timeline.
 *
 * @param limit the log is wanted up to here.
 * @param own bytes of the segment that the backup itself holds, or null.
 * @param needFrom bytes of the segment before this one may be missing: recovery does not read them.
 * @throws LifeboatError `journal-damaged` where a part is damaged everywhere, `recovery-target-unreachable` where
 *   it is gone; `journal-conflict`; errors of the storage.
 */
export async function composeUnit(
  log: ClusterLog,
  legs: readonly Leg[],
  number: bigint,
  limit: Lsn,
  own: Buffer | null,
  needFrom = 0,
): Promise<LogUnit> {
  const { segmentBytes } = log.view;
  const start = segmentStart({ timeline: 1, number }, segmentBytes);
  const end = limit - start < BigInt(segmentBytes) ? Number(limit - start) : segmentBytes;
  const names = namesOfUnit(legs, number, segmentBytes);
  let bytes: Buffer | null = null;
  let covered: Part[] = [];
  const problems: LifeboatError[] = [];
  for (const { name, end: useful } of names) {
    for (const { place, stream, pieces } of log.streams) {
      const open = uncovered(covered, end);
      if (open.length === 0) break;
      const mine = pieces.filter((piece) => piece.unit === name);
      if (mine.length === 0) continue;
      const usefulEnd = Math.min(end, Number(useful - start));
      const loaded = await loadUnit(place, stream, name, segmentBytes, mine);
      problems.push(...loaded.problems);
      const parts = loaded.covered
        .map(({ from, to }) => ({ from, to: Math.min(to, usefulEnd) }))
        .filter(({ from, to }) => from < to);
      if (bytes === null && parts.length === 1 && parts[0]!.from === 0) {
        bytes = loaded.bytes;
        bytes.fill(0, parts[0]!.to);
      } else {
        bytes ??= Buffer.alloc(segmentBytes);
        for (const part of parts) {
          for (const gap of open) {
            const from = Math.max(part.from, gap.from);
            const to = Math.min(part.to, gap.to);
            if (from < to) loaded.bytes.copy(bytes, from, from, to);
          }
        }
      }
      covered = [...covered, ...parts];
    }
  }
  bytes ??= Buffer.alloc(segmentBytes);
  for (const { from, to } of uncovered(covered, end)) {
    if (own !== null && from < needFrom) own.copy(bytes, from, from, Math.min(to, needFrom));
    if (to <= needFrom) continue;
    const what = `the log from ${formatLsn(start + BigInt(Math.max(from, needFrom)))} to ${formatLsn(start + BigInt(to))} (segment ${names[0]?.name ?? number})`;
    const [damage] = problems;
    if (damage)
      throw new LifeboatError('journal-damaged', `${what} cannot be read: ${damage.message}`, {
        cause: damage,
      });
    throw new LifeboatError('recovery-target-unreachable', `${what} is gone from the journal`);
  }
  return { name: names[0]!.name, bytes, end };
}
