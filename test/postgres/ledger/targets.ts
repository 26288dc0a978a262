import { formatLsn, type Lsn } from '../../../src/model/wal.ts';
import type { Random } from '../../random.ts';
import { endsOnPath, type Path, type Point, type TransactionEnd } from './oracle.ts';

/** Points to recover to, drawn at random, and how a user writes them. */

export interface Target {
  readonly point: Point;
  /** Of `lifeboat restore`. */
  readonly args: readonly string[];
}

export interface TargetSpace {
  readonly ends: readonly TransactionEnd[];
  readonly path: Path;
  /** The base backup ended here: no earlier point can be reached. */
  readonly from: Lsn;
  readonly fromUs: bigint;
  readonly recordFrom: (lsn: Lsn) => Promise<Lsn | null>;
}

/** Draws that many points behind `from`; the kinds take turns, so that a few have one of each. */
export async function drawTargets(space: TargetSpace, count: number, random: Random): Promise<Target[]> {
  // Behind the last there is nothing that could show that a time was reached.
  const ends = endsOnPath(space.ends, space.path)
    .filter(({ start, timeUs }) => start > space.from && timeUs > space.fromUs)
    .slice(0, -1);
  if (ends.length < 10) throw new Error(`only ${ends.length} transactions can be aimed at`);
  const kinds = [lsnWithin, timeOfCommit, lsnOfCommit, timeBetween, xidOfCommit];
  const targets: Target[] = [];
  for (let at = 0; at < count; at++) targets.push(await kinds[at % kinds.length]!(ends, space, random));
  return targets;
}

type Draw = (ends: readonly TransactionEnd[], space: TargetSpace, random: Random) => Promise<Target>;

const anyOf = (ends: readonly TransactionEnd[], random: Random): TransactionEnd =>
  ends[random.below(ends.length)]!;

/** Any byte of the log between two commits, mostly in the middle of a record. */
const lsnWithin: Draw = (ends, space, random) => {
  const first = ends[0]!.start;
  const span = ends.at(-1)!.start - first;
  return lsnTarget(first + BigInt(random.below(Number(span))), space, random);
};

const lsnOfCommit: Draw = (ends, space, random) => lsnTarget(anyOf(ends, random).start, space, random);

async function lsnTarget(lsn: Lsn, space: TargetSpace, random: Random): Promise<Target> {
  const record = await space.recordFrom(lsn);
  if (record === null) throw new Error(`no record at ${formatLsn(lsn)} or later`);
  const inclusive = random.below(3) > 0;
  return {
    point: { kind: 'lsn', lsn, record, inclusive },
    args: ['--to', `lsn:${formatLsn(lsn)}`, ...exclusiveUnless(inclusive)],
  };
}

/** Exactly when a transaction committed: the bound itself. */
const timeOfCommit: Draw = async (ends, _, random) =>
  timeTarget(anyOf(ends, random).timeUs, random.below(2) > 0, random);

/** Some microsecond between the first and the last. */
const timeBetween: Draw = async (ends, _, random) => {
  const times = ends.map(({ timeUs }) => timeUs).sort((a, b) => Number(a - b));
  const span = Number(times.at(-1)! - times[0]!);
  return timeTarget(times[0]! + BigInt(random.below(span)), true, random);
};

function timeTarget(timeUs: bigint, inclusive: boolean, random: Random): Target {
  const zone = [0, 60, -210, 345][random.below(4)]!;
  return {
    point: { kind: 'time', timeUs, inclusive },
    args: ['--to', formatTime(timeUs, zone), ...exclusiveUnless(inclusive)],
  };
}

const xidOfCommit: Draw = async (ends, _, random) => {
  // Of numbers that were used on two timelines, only those of the path are here; each occurs once.
  const { xid } = anyOf(
    ends.filter(({ kind }) => kind === 'commit'),
    random,
  );
  const inclusive = random.below(2) > 0;
  return {
    point: { kind: 'xid', xid, inclusive },
    args: ['--to', `xid:${xid}`, ...exclusiveUnless(inclusive)],
  };
};

const exclusiveUnless = (inclusive: boolean): string[] => (inclusive ? [] : ['--exclusive']);

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-20 14:03:11.123456+05:45` */
export function formatTime(timeUs: bigint, zoneMinutes: number): string {
  const local = new Date(Number(timeUs / 1000n) + zoneMinutes * 60_000).toISOString();
  const fraction = String(timeUs % 1_000_000n).padStart(6, '0');
  const minutes = Math.abs(zoneMinutes);
  const zone = `${zoneMinutes < 0 ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)}.${fraction}${zone}`;
}
