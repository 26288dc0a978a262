import { existsSync, lstatSync, readdirSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LifeboatError } from '../../core/errors.ts';
import { rangeOf } from '../../journal/coverage.ts';
import type { Id } from '../../model/id.ts';
import type { PhysicalManifest } from '../../model/postgres-manifest.ts';
import { formatLsn, type Lsn, parseLsn } from '../../model/wal.ts';
import { inspectTarget, type TargetState } from '../../sources/postgres/recovery/data-directory.ts';
import type { RecoveryChoice, RecoveryRequest } from './choose.ts';
import type { ClusterLog } from './cluster-log.ts';
import type { ConfigurationChoice } from './configuration.ts';
import { unitsOf } from './feed.ts';
import { namesOfUnit } from './log-units.ts';
import { settingsShown, stepsOf } from './plan-steps.ts';
import { describeTarget } from './target.ts';

/** What a recovery will do, as `--dry-run` prints it. Positions and times are text, so that it is plain JSON. */
export interface RecoveryPlan {
  readonly source: string;
  readonly system: string;
  readonly serverVersion: number;
  readonly backup: {
    readonly snapshot: Id;
    readonly repository: string;
    readonly type: string;
    readonly stop: string;
    readonly stopTime: string;
    readonly why: string;
  };
  readonly target: string;
  readonly timelines: readonly { readonly timeline: number; readonly until: string | null }[];
  readonly wal: {
    readonly from: string;
    readonly to: string;
    readonly segments: number;
    readonly firstSegment: string | null;
    readonly lastSegment: string | null;
    /** As stored. */
    readonly storedBytes: number;
    readonly repositories: readonly string[];
  };
  readonly dataDirectory: string;
  /** `fresh`: all is fetched; `in-place`: only what differs; `resume`: what an interrupted restore left out. */
  readonly mode: 'fresh' | 'in-place' | 'resume';
  readonly tablespaces: readonly {
    readonly oid: number;
    readonly original: string;
    readonly location: string;
    readonly bytes: number;
  }[];
  /** Of the data, uncompressed; in place it is the most that may be fetched. */
  readonly bytes: number;
  readonly disks: readonly {
    readonly path: string;
    readonly neededBytes: number;
    readonly freeBytes: number;
    readonly enough: boolean;
  }[];
  readonly settings: readonly (readonly [string, string])[];
  /** Where its configuration comes from, and which files of the backup serve it. */
  readonly configuration: {
    readonly kind: ConfigurationChoice['kind'];
    readonly files: readonly string[];
  };
  readonly steps: readonly string[];
  readonly estimate: { readonly seconds: number; readonly how: string } | null;
  readonly notes: readonly string[];
}

/** Given places of tablespaces by their original ones; or a place for each. */
export type TablespacePlaces = ReadonlyMap<string, string> | ((oid: number) => string);

export interface PlanInput {
  readonly log: ClusterLog;
  readonly request: RecoveryRequest;
  readonly choice: RecoveryChoice;
  readonly manifest: PhysicalManifest;
  readonly configuration: ConfigurationChoice;
  readonly dataDirectory: string;
  readonly tablespaces: TablespacePlaces;
  readonly start: boolean;
  readonly standby: boolean;
  readonly amcheck: boolean;
  readonly stopServer: boolean;
  /** Bytes a second that all threads together read of the snapshot; null where that was not measured. */
  readonly readingRate: number | null;
}

export const copyNote =
  'this is a copy elsewhere, so archive_mode is set to off: it must not write into the journal of the original';

const mebibyte = 1024 * 1024;
/** Segments that may lie untaken before a server that replays. */
export const aheadBytes = 256 * mebibyte;
/** The log that is laid down for a server that someone else starts goes this far beyond the target. */
const marginUnits = 4n;
/** What a server makes of its log, on the disks of today; nobody knows before. */
const replayRate = 100 * mebibyte;
const startSeconds = 3;

/** Up to where the log is laid down: for a server that is fed it may be all that is held. */
export function feedLimit({ start, choice, log }: Pick<PlanInput, 'start' | 'choice' | 'log'>): Lsn {
  if (start || choice.ends === 'end-of-log') return choice.walLimit;
  const unit = BigInt(log.view.segmentBytes);
  const enough = (choice.walEnd / unit + marginUnits) * unit;
  return enough < choice.walLimit ? enough : choice.walLimit;
}

/** The nearest folder that is there, whose file system will hold the path. */
export function existingAncestor(path: string): string {
  for (let at = path; ; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at;
}

function freeBytesAt(path: string): { device: number; free: number } {
  const at = existingAncestor(path);
  const { bavail, bsize } = statfsSync(at);
  return { device: statSync(at).dev, free: bavail * bsize };
}

/** Bytes that files take below a folder, as far as it can be read; symbolic links are not followed. */
function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? bytesBelow(path) : lstatSync(path).size;
  }
  return bytes;
}

function placeTablespaces(input: PlanInput): RecoveryPlan['tablespaces'] {
  const { manifest, tablespaces } = input;
  if (typeof tablespaces === 'function') {
    return manifest.tablespaces.map(({ oid, location, bytes }) => ({
      oid,
      original: location,
      location: tablespaces(oid),
      bytes,
    }));
  }
  const wanted = new Map(tablespaces);
  const placed = manifest.tablespaces.map(({ oid, location, bytes }) => {
    const given = wanted.get(location);
    wanted.delete(location);
    return { oid, original: location, location: resolve(given ?? location), bytes };
  });
  const [unknown] = wanted.keys();
  if (unknown !== undefined) {
    const known = manifest.tablespaces.map(({ location }) => location);
    throw new LifeboatError('usage', `the backup has no tablespace at ${unknown}`, {
      hint:
        known.length === 0 ? 'it has no tablespaces: leave --tablespace out' : `it has ${known.join(', ')}`,
    });
  }
  for (const [at, { location }] of placed.entries()) {
    const clash = placed.findIndex((other) => other.location === location);
    if (clash !== at) throw new LifeboatError('usage', `two tablespaces would be restored into ${location}`);
  }
  return placed;
}

const notEmpty = (path: string, why: string, hint?: string): LifeboatError =>
  new LifeboatError('recovery-target-not-empty', `${path} ${why}`, hint === undefined ? {} : { hint });

/** @throws LifeboatError `recovery-target-not-empty` for what is not the cluster's own. */
function modeOf(dataDirectory: string, state: TargetState, system: string): RecoveryPlan['mode'] {
  switch (state.kind) {
    case 'absent':
    case 'empty':
      return 'fresh';
    case 'interrupted':
      if (state.marker.system === system) return 'resume';
      throw notEmpty(
        dataDirectory,
        `holds an interrupted restore of another cluster (${state.marker.source})`,
      );
    case 'cluster':
      if (state.system === system) return 'in-place';
      throw notEmpty(
        dataDirectory,
        state.system === null
          ? 'holds a cluster without a control file, so it cannot be told whose it is'
          : `holds another cluster (system identifier ${state.system}, the backup has ${system})`,
      );
    case 'foreign':
      throw notEmpty(
        dataDirectory,
        `is no empty folder: it has ${state.names.join(', ') || 'a file of that name'}`,
      );
  }
}

function checkTablespaceFolder(
  plan: { location: string; oid: number },
  mode: RecoveryPlan['mode'],
  target: string,
): void {
  const { location, oid } = plan;
  if (!existsSync(location)) return;
  const names = readdirSync(location).filter((name) => name !== 'lost+found');
  if (names.length === 0) return;
  const foreign = names.filter((name) => !/^PG_\d+_\d+$/.test(name));
  if (foreign.length > 0)
    throw notEmpty(
      location,
      `is no empty folder for the tablespace ${oid}: it has ${foreign.slice(0, 5).join(', ')}`,
    );
  if (mode === 'fresh' || (mode === 'in-place' && !isLinkedFrom(target, oid, location)))
    throw notEmpty(
      location,
      `holds a tablespace already, and not one of the cluster in ${target}`,
      `restore it elsewhere with --tablespace ${location}=FOLDER`,
    );
}

function isLinkedFrom(target: string, oid: number, location: string): boolean {
  const link = join(target, 'pg_tblspc', String(oid));
  return existsSync(link) && realpathSync(link) === realpathSync(location);
}

function disksOf(
  input: PlanInput,
  plan: Pick<RecoveryPlan, 'mode' | 'tablespaces' | 'dataDirectory'>,
): RecoveryPlan['disks'] {
  const { manifest, log, choice, start } = input;
  const { count } = unitsOf(choice.backup.stop, feedLimit(input), log.view.segmentBytes);
  const spoolBytes = count * log.view.segmentBytes;
  const walBytes = start ? Math.min(aheadBytes, spoolBytes) : spoolBytes;
  const ofTablespaces = plan.tablespaces.reduce((sum, { bytes }) => sum + bytes, 0);
  const places = [
    { path: plan.dataDirectory, bytes: bytesOf(manifest) - ofTablespaces, more: walBytes },
    ...plan.tablespaces.map(({ location, bytes }) => ({ path: location, bytes, more: 0 })),
  ];
  const disks = new Map<number, { path: string; neededBytes: number; freeBytes: number }>();
  for (const { path, bytes, more } of places) {
    const { device, free } = freeBytesAt(path);
    const there = plan.mode === 'fresh' ? 0 : bytesBelow(path);
    const needed = Math.max(0, bytes - there) + more;
    const disk = disks.get(device);
    if (disk) disk.neededBytes += needed;
    else disks.set(device, { path, neededBytes: needed, freeBytes: free });
  }
  return [...disks.values()].map((disk) => ({ ...disk, enough: disk.neededBytes <= disk.freeBytes }));
}

/** Of the data, and of the log that the backup itself holds. */
function bytesOf({ bytes, start, stop, segmentBytes }: PhysicalManifest): number {
  const log = unitsOf(parseLsn(start) ?? 0n, parseLsn(stop) ?? 0n, segmentBytes);
  return bytes + log.count * segmentBytes;
}

function walOf(input: PlanInput): RecoveryPlan['wal'] {
  const { log, choice } = input;
  const { segmentBytes } = log.view;
  const limit = choice.walEnd > choice.backup.stop ? choice.walEnd : choice.backup.stop;
  const { first, count } = unitsOf(choice.backup.stop, limit, segmentBytes);
  const name = (number: bigint): string => namesOfUnit(choice.legs, number, segmentBytes)[0]!.name;
  const timelines = new Set(choice.legs.map(({ timeline }) => timeline));
  const repositories = new Set<string>();
  const stored = new Map<string, number>();
  for (const { place, pieces } of log.streams) {
    for (const piece of pieces) {
      const range = rangeOf(piece, segmentBytes);
      if (!range || !timelines.has(range.timeline)) continue;
      if (range.end <= choice.backup.stop || range.start >= limit) continue;
      repositories.add(place.name);
      stored.set(`${piece.unit}-${piece.from}`, piece.size);
    }
  }
  return {
    from: formatLsn(choice.backup.stop),
    to: formatLsn(limit),
    segments: count,
    firstSegment: count === 0 ? null : name(first),
    lastSegment: count === 0 ? null : name(first + BigInt(count - 1)),
    storedBytes: [...stored.values()].reduce((sum, size) => sum + size, 0),
    repositories: [...repositories],
  };
}

function estimateOf(input: PlanInput, segments: number): RecoveryPlan['estimate'] {
  const { readingRate, manifest, log } = input;
  if (readingRate === null) return null;
  const replay = (segments * log.view.segmentBytes) / replayRate;
  const mebibytes = Math.round(readingRate / mebibyte);
  return {
    seconds: Math.ceil(bytesOf(manifest) / readingRate + replay + startSeconds),
    how: `${mebibytes} MiB/s as measured just now on a part of this snapshot, replay of the log taken as ${replayRate / mebibyte} MiB/s`,
  };
}

/**
 * The whole plan. Looks at the target, changes nothing.
 * @throws LifeboatError `recovery-target-not-empty`, `usage`.
 */
export function planRecovery(input: PlanInput): RecoveryPlan {
  const { log, request, choice, manifest, standby } = input;
  const dataDirectory = resolve(input.dataDirectory);
  const mode = modeOf(dataDirectory, inspectTarget(dataDirectory), log.view.system);
  const tablespaces = placeTablespaces(input);
  for (const tablespace of tablespaces) {
    if (tablespace.location === dataDirectory || dataDirectory.startsWith(`${tablespace.location}/`))
      throw new LifeboatError(
        'usage',
        `the tablespace at ${tablespace.location} would hold the data directory`,
      );
    checkTablespaceFolder(tablespace, mode, dataDirectory);
  }
  const wal = walOf(input);
  const elsewhere = dataDirectory !== manifest.dataDirectory;
  return {
    source: log.view.source,
    system: log.view.system,
    serverVersion: manifest.serverVersion,
    backup: {
      snapshot: choice.backup.snapshot,
      repository: choice.backup.place,
      type: choice.backup.type,
      stop: formatLsn(choice.backup.stop),
      stopTime: manifest.stopTime,
      why: choice.why,
    },
    target: describeTarget(request.target),
    timelines: choice.legs.map(({ timeline, end }) => ({
      timeline,
      until: end === null ? null : formatLsn(end),
    })),
    wal,
    dataDirectory,
    mode,
    tablespaces,
    bytes: bytesOf(manifest),
    disks: disksOf(input, { mode, tablespaces, dataDirectory }),
    settings: settingsShown(input),
    configuration: {
      kind: input.configuration.kind,
      files: input.configuration.bring.map(({ path }) => path),
    },
    steps: stepsOf(input, mode, tablespaces.length),
    estimate: estimateOf(input, wal.segments),
    notes: [
      ...choice.notes,
      ...(elsewhere && !standby ? [copyNote] : []),
      ...input.configuration.notes,
      ...(manifest.damagedPageCount > 0
        ? [`the backup itself found ${manifest.damagedPageCount} damaged pages in the original`]
        : []),
    ],
  };
}
