import { LifeboatError } from '../../core/errors.ts';
import { formatLsn, type Lsn, type Timeline } from '../../model/wal.ts';
import type { BackupPoint } from './backup-points.ts';
import { gaps, heldAlong, type Interval, reach } from './coverage.ts';
import type { ClusterView, FoundMark, LogReader, SoughtMark } from './source-view.ts';
import { describeTarget, type RecoveryTarget, type TimelineChoice } from './target.ts';
import { backupObjection, knownTimelines, type Leg, legsTo } from './timelines.ts';
import { formatPostgresTime } from './zoned-time.ts';

export interface RecoveryRequest {
  readonly target: RecoveryTarget;
  /** Whether what happened exactly at the target is part of the result. */
  readonly inclusive: boolean;
  readonly timeline: TimelineChoice;
}

/** How a recovery gets to its target. */
export interface RecoveryChoice {
  readonly backup: BackupPoint;
  readonly why: string;
  /** To the timeline that is followed. */
  readonly legs: readonly Leg[];
  /** The log is needed from the backup's stop up to here. */
  readonly walEnd: Lsn;
  /** It is held without a gap up to here; PostgreSQL gets what it asks for of it. */
  readonly walLimit: Lsn;
  /** `target`: PostgreSQL is told where to stop; `end-of-log`: it replays all that there is. */
  readonly ends: 'target' | 'end-of-log';
  /** The log is known to be whole up to the target, so that its end is the target where nothing follows. */
  readonly endIsTarget: boolean;
  /** Things the user should know before it begins. */
  readonly notes: readonly string[];
}

const timeOf = (ms: number): string => formatPostgresTime(BigInt(Math.floor(ms)) * 1000n);
const pointOf = (backup: BackupPoint): string => `${formatLsn(backup.stop)} at ${timeOf(backup.stopMs)}`;

interface Way {
  readonly legs: readonly Leg[];
  /** Backups that can be recovered along it, newest first. */
  readonly usable: readonly BackupPoint[];
  readonly held: readonly Interval[];
}

function newestFirst(backups: readonly BackupPoint[]): BackupPoint[] {
  return [...backups].sort((a, b) => (a.stop === b.stop ? b.stopMs - a.stopMs : a.stop < b.stop ? 1 : -1));
}

function timelineOf(view: ClusterView, request: RecoveryRequest): Timeline {
  const known = knownTimelines(view.histories, view.ranges, view.backups);
  if (typeof request.timeline === 'number') {
    if (known.includes(request.timeline)) return request.timeline;
    throw new LifeboatError(
      'recovery-timeline',
      `nothing of timeline ${request.timeline} of ${view.source} is in the repositories`,
      { hint: `known timelines are ${known.join(', ')}` },
    );
  }
  if (request.timeline === 'latest' && request.target.kind !== 'immediate') return known[known.length - 1]!;
  // The backup decides: the newest that is early enough, wherever it lies.
  const early = newestFirst(view.backups).filter((backup) => isEarlyEnough(backup, request.target));
  return (early[0] ?? view.backups[0]!).timeline;
}

function isEarlyEnough(backup: BackupPoint, target: RecoveryTarget): boolean {
  if (target.kind === 'time') return BigInt(Math.ceil(backup.stopMs)) * 1000n <= target.time.microseconds;
  return target.kind !== 'lsn' || backup.stop <= target.lsn;
}

/** @throws LifeboatError `recovery-timeline` where no backup can get there. */
function wayTo(view: ClusterView, timeline: Timeline): Way {
  const legs = legsTo(timeline, view.histories);
  const usable = newestFirst(view.backups).filter((backup) => backupObjection(backup, legs) === null);
  if (usable.length === 0) throw unrelated(view, timeline, legs);
  return { legs, usable, held: heldAlong(legs, view.ranges) };
}

function unrelated(view: ClusterView, timeline: Timeline, legs: readonly Leg[]): LifeboatError {
  const first = newestFirst(view.backups)[0]!;
  const leg = legs.find((each) => each.timeline === first.timeline);
  const why = leg
    ? `timeline ${timeline} left timeline ${leg.timeline} at ${formatLsn(leg.end ?? 0n)}, before any backup there had ended (the newest at ${formatLsn(first.stop)})`
    : `timeline ${first.timeline} of the newest backup is no ancestor of timeline ${timeline}, whose way is ${legs.map((each) => each.timeline).join(' → ')}`;
  return new LifeboatError(
    'recovery-timeline',
    `no backup of ${view.source} leads to timeline ${timeline}: ${why}`,
    {
      hint: `recover along timeline ${first.timeline} with --timeline ${first.timeline}, or take a new backup on timeline ${timeline}`,
    },
  );
}

function tooEarly(view: ClusterView, way: Way, target: RecoveryTarget): LifeboatError {
  const earliest = way.usable[way.usable.length - 1]!;
  return new LifeboatError(
    'recovery-target-too-early',
    `${describeTarget(target)} lies before the end of the earliest backup of ${view.source}, which is ${pointOf(earliest)}`,
    {
      hint: `the earliest point is --to "${timeOf(Math.ceil(earliest.stopMs))}" or --to lsn:${formatLsn(earliest.stop)}`,
    },
  );
}

function unreachable(what: string, why: string, reachable: Lsn, more = ''): LifeboatError {
  return new LifeboatError('recovery-target-unreachable', `${what} cannot be reached: ${why}`, {
    hint: `what can be reached is --to lsn:${formatLsn(reachable)}${more}; \`lifeboat windows\` shows all of it`,
  });
}

const describeMissing = ({ start, end }: Interval, way: Way): string =>
  `the log from ${formatLsn(start)} to ${formatLsn(end)} of timeline ${legOf(way, start)} is missing`;

const legOf = ({ legs }: Way, lsn: Lsn): Timeline =>
  (legs.find(({ end }) => end === null || lsn < end) ?? legs[legs.length - 1]!).timeline;

/** Chooses by the target's kind. @throws LifeboatError `recovery-…`. */
export async function chooseRecovery(
  view: ClusterView,
  request: RecoveryRequest,
  reader: LogReader,
): Promise<RecoveryChoice> {
  if (view.backups.length === 0)
    throw new LifeboatError('recovery-backup-missing', `there is no physical backup of ${view.source}`);
  const way = wayTo(view, timelineOf(view, request));
  const { target } = request;
  switch (target.kind) {
    case 'immediate':
      return immediate(way);
    case 'latest':
      return latest(way, target);
    case 'lsn':
      return toLsn(view, way, target, reader);
    case 'time':
      return toTime(view, way, target, request.inclusive, reader);
    case 'xid':
    case 'name':
      return toMark(way, target, reader);
  }
}

function immediate(way: Way): RecoveryChoice {
  const backup = way.usable[0]!;
  return {
    backup,
    why: 'it is the newest backup on this timeline',
    legs: way.legs.slice(0, way.legs.findIndex(({ timeline }) => timeline === backup.timeline) + 1),
    walEnd: backup.stop,
    walLimit: backup.stop,
    ends: 'target',
    endIsTarget: false,
    notes: [],
  };
}

/** Throws where the log ends before the timeline that is wanted has even begun. */
function demandLastLeg(way: Way, from: BackupPoint, end: Lsn, target: RecoveryTarget): void {
  const last = way.legs[way.legs.length - 1]!;
  if (end >= last.start || from.stop >= last.start) return;
  const [missing] = gaps(way.held, end, last.start);
  throw unreachable(
    describeTarget(target),
    describeMissing(missing ?? { start: end, end: last.start }, way),
    end,
  );
}

function latest(way: Way, target: RecoveryTarget): RecoveryChoice {
  const backup = way.usable[0]!;
  const end = reach(way.held, backup.stop);
  demandLastLeg(way, backup, end, target);
  const beyond = way.held.find(({ start }) => start > end);
  if (beyond)
    throw unreachable(describeTarget(target), describeMissing({ start: end, end: beyond.start }, way), end);
  return {
    backup,
    why: 'it is the newest backup that leads there',
    legs: way.legs,
    walEnd: end,
    walLimit: end,
    ends: 'end-of-log',
    endIsTarget: true,
    notes:
      end === backup.stop
        ? ['the journal holds nothing behind this backup, so its own end is the newest point']
        : [],
  };
}

async function toLsn(
  view: ClusterView,
  way: Way,
  target: RecoveryTarget & { kind: 'lsn' },
  reader: LogReader,
): Promise<RecoveryChoice> {
  const backup = way.usable.find((each) => each.stop <= target.lsn);
  if (!backup) throw tooEarly(view, way, target);
  const end = reach(way.held, backup.stop);
  if (end < target.lsn) {
    const [missing] = gaps(way.held, end, target.lsn);
    throw unreachable(describeTarget(target), describeMissing(missing!, way), end);
  }
  // PostgreSQL stops at the first record that begins at the target or later, and fails where there is none.
  const near = end - target.lsn < 2n * BigInt(view.segmentBytes);
  const stretch = { legs: way.legs, start: backup.stop, end };
  const atEnd = near && (target.lsn === end || !(await reader.recordFrom(stretch, target.lsn)));
  if (atEnd) demandLastLeg(way, backup, end, target);
  return {
    backup,
    why: 'it is the newest backup that ended before the target',
    legs: way.legs,
    walEnd: atEnd ? end : target.lsn,
    walLimit: end,
    ends: atEnd ? 'end-of-log' : 'target',
    endIsTarget: atEnd,
    notes: atEnd
      ? ['no record of the log that is held begins at this LSN or later: all of it is replayed']
      : [],
  };
}

async function toTime(
  view: ClusterView,
  way: Way,
  target: RecoveryTarget & { kind: 'time' },
  inclusive: boolean,
  reader: LogReader,
): Promise<RecoveryChoice> {
  const backup = way.usable.find((each) => isEarlyEnough(each, target));
  if (!backup) throw tooEarly(view, way, target);
  const { microseconds } = target.time;
  const end = reach(way.held, backup.stop);
  const stretch = { legs: way.legs, start: backup.stop, end };
  const common = {
    backup,
    why: 'it is the newest backup that ended before the target',
    legs: way.legs,
    walLimit: end,
  };
  if (end > backup.stop) {
    const seen = await reader.commitAfter(stretch, microseconds, !inclusive);
    if (seen !== null) return { ...common, walEnd: seen, ends: 'target', endIsTarget: false, notes: [] };
  }
  demandLastLeg(way, backup, end, target);
  const completeMs = await reader.completeUntilMs(stretch);
  if (completeMs !== null && BigInt(Math.floor(completeMs)) * 1000n >= microseconds) {
    const notes = [
      'no transaction ended after this time in the log that is held, and the log is whole up to it: all of it is replayed',
    ];
    return { ...common, walEnd: end, ends: 'end-of-log', endIsTarget: true, notes };
  }
  const beyond = way.held.find(({ start }) => start > end);
  const known = completeMs ?? (end > backup.stop ? await reader.lastCommitMs(stretch) : null);
  const why = beyond
    ? describeMissing({ start: end, end: beyond.start }, way)
    : end > backup.stop
      ? `the log ends at ${formatLsn(end)}${known === null ? '' : `, known whole only until ${timeOf(known)}`}`
      : `the journal holds nothing behind the backup that ended at ${pointOf(backup)}`;
  throw unreachable(describeTarget(target), why, end, known === null ? '' : ` or --to "${timeOf(known)}"`);
}

async function toMark(
  way: Way,
  target: RecoveryTarget & SoughtMark,
  reader: LogReader,
): Promise<RecoveryChoice> {
  let found: FoundMark | null = null;
  let before: Lsn | null = null;
  // The newest part first: what is asked for mostly happened lately.
  for (const backup of way.usable) {
    const limit = reach(way.held, backup.stop);
    const end = before !== null && before < limit ? before : limit;
    before = backup.stop;
    if (end <= backup.stop) continue;
    found = await reader.find({ legs: way.legs, start: backup.stop, end }, target);
    if (!found) continue;
    return {
      backup,
      why: 'it is the newest backup that ended before the target',
      legs: way.legs,
      walEnd: found.endLsn,
      walLimit: limit,
      ends: 'target',
      endIsTarget: false,
      notes: [`it is at ${formatLsn(found.lsn)}, ${timeOf(found.timeMs)}`],
    };
  }
  const earliest = way.usable[way.usable.length - 1]!;
  const newest = way.usable[0]!;
  const end = reach(way.held, newest.stop);
  const missing = gaps(way.held, earliest.stop, end);
  const why =
    `it is not in the log from ${formatLsn(earliest.stop)} to ${formatLsn(end)}` +
    (missing.length === 0 ? '' : `; ${missing.map((gap) => describeMissing(gap, way)).join('; ')}`);
  throw unreachable(describeTarget(target), why, end);
}
