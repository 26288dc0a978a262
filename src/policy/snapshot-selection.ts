import { LifeboatError } from '../core/errors.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import type { Instant } from '../model/time.ts';
import { parseTime } from '../model/time.ts';
import { cleanPath } from './clean-path.ts';
import { newestFirst } from './retention.ts';
import type { TagList } from './tags.ts';
import { formatTagList, hasAnyTagList } from './tags.ts';

/** Which snapshots are meant by --host, --tag and --path (restic internal/data/snapshot_find.go). */
export interface SnapshotFilter {
  /** One of these; none means any. */
  readonly hosts: readonly string[];
  /** One of these lists; none means any. */
  readonly tags: readonly TagList[];
  /** All of these, absolute. */
  readonly paths: readonly string[];
  /** Nothing younger, where given. */
  readonly notAfter?: Instant;
}

export const anySnapshot: SnapshotFilter = { hosts: [], tags: [], paths: [] };

/** One snapshot and the directory inside it that was asked for, as in `latest:/etc`. */
export interface SelectedSnapshot {
  readonly snapshot: StoredSnapshot;
  /** Empty for all of it. */
  readonly subfolder: string;
}

export interface SnapshotSelection {
  readonly snapshots: readonly StoredSnapshot[];
  /** What was asked for and cannot be had; the command warns and goes on. */
  readonly problems: readonly LifeboatError[];
}

export function isAnySnapshot(filter: SnapshotFilter): boolean {
  return filter.hosts.length + filter.tags.length + filter.paths.length === 0;
}

/** The hosts to look for: those given, else the default; `--host ''` takes the default away. */
export function filterHosts(given: readonly string[]): readonly string[] {
  return given.length === 1 && given[0] === '' ? [] : given;
}

/** Paths as snapshots name them: absolute and clean. */
export function filterPaths(given: readonly string[], workingDirectory: string): string[] {
  return given.map((path) => cleanPath(path.startsWith('/') ? path : `${workingDirectory}/${path}`));
}

export function matchesFilter(snapshot: StoredSnapshot, filter: SnapshotFilter): boolean {
  return (
    (filter.hosts.length === 0 || filter.hosts.includes(snapshot.hostname ?? '')) &&
    hasAnyTagList(snapshot, filter.tags) &&
    filter.paths.every((path) => snapshot.paths.includes(path)) &&
    (filter.notAfter === undefined || !isYounger(snapshot, filter.notAfter))
  );
}

function isYounger(snapshot: StoredSnapshot, limit: Instant): boolean {
  const { seconds, nanoseconds } = parseTime(snapshot.time);
  return seconds > limit.seconds || (seconds === limit.seconds && nanoseconds > limit.nanoseconds);
}

const latestPattern = /^latest(?:~(\d{1,9}))?$/;

/**
 * The snapshot that a text names: `latest`, `latest~2` (two before the latest), an ID or the beginning of
 * one, each with `:subfolder` after it if need be. The filter only counts for `latest`.
 *
 * @throws LifeboatError `snapshot-missing` when there is none, or an ID's beginning fits several.
 */
export function findSnapshot(
  snapshots: readonly StoredSnapshot[],
  text: string,
  filter: SnapshotFilter = anySnapshot,
): SelectedSnapshot {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const subfolder = colon < 0 ? '' : text.slice(colon + 1);
  const latest = latestPattern.exec(name);
  const snapshot =
    latest === null ? findById(snapshots, name) : findLatest(snapshots, filter, Number(latest[1] ?? 0));
  return { snapshot, subfolder };
}

function findLatest(
  snapshots: readonly StoredSnapshot[],
  filter: SnapshotFilter,
  back: number,
): StoredSnapshot {
  const fitting = newestFirst(snapshots.filter((snapshot) => matchesFilter(snapshot, filter)));
  const found = fitting[back];
  if (found !== undefined) return found;
  const which = describeFilter(filter);
  throw new LifeboatError(
    'snapshot-missing',
    fitting.length === 0
      ? `there is no snapshot${which}`
      : `there are only ${fitting.length} snapshots${which}, so none is latest~${back}`,
  );
}

function findById(snapshots: readonly StoredSnapshot[], prefix: string): StoredSnapshot {
  const fitting = snapshots.filter(({ id }) => id.startsWith(prefix));
  const [found] = fitting;
  if (prefix === '' || found === undefined) {
    throw new LifeboatError(
      'snapshot-missing',
      `no snapshot has an ID that begins with ${JSON.stringify(prefix)}`,
    );
  }
  if (fitting.length > 1) {
    const some = fitting
      .map(({ id }) => id.slice(0, prefix.length + 4))
      .sort()
      .slice(0, 3);
    throw new LifeboatError(
      'snapshot-missing',
      `${fitting.length} snapshots have an ID that begins with ${JSON.stringify(prefix)}: ${some.join(', ')}${fitting.length > 3 ? ', …' : ''}`,
      { hint: 'give more digits of the ID' },
    );
  }
  return found;
}

/** ` of host a with tags [b] with path /c`, or nothing. */
function describeFilter({ hosts, tags, paths }: SnapshotFilter): string {
  return [
    hosts.length > 0 ? ` of host ${hosts.join(' or ')}` : '',
    tags.length > 0 ? ` with tags ${tags.map(formatTagList).join(' or ')}` : '',
    paths.length > 0 ? ` with path ${paths.join(' and ')}` : '',
  ].join('');
}

/**
 * The snapshots that a command works on: those named, each once, in the order named; or without names all
 * that the filter lets through, in the order given.
 */
export function selectSnapshots(
  snapshots: readonly StoredSnapshot[],
  names: readonly string[],
  filter: SnapshotFilter = anySnapshot,
): SnapshotSelection {
  if (names.length === 0) {
    return { snapshots: snapshots.filter((snapshot) => matchesFilter(snapshot, filter)), problems: [] };
  }
  const chosen = new Map<string, StoredSnapshot>();
  const problems: LifeboatError[] = [];
  for (const name of names) {
    try {
      const { snapshot, subfolder } = findSnapshot(snapshots, name, filter);
      if (subfolder !== '') {
        throw new LifeboatError(
          'usage',
          `${JSON.stringify(name)}: a folder inside a snapshot cannot be named here`,
        );
      }
      chosen.set(snapshot.id, snapshot);
    } catch (error) {
      // One name that fits nothing does not keep the command from the others; it is told with the result.
      if (!(error instanceof LifeboatError)) throw error;
      problems.push(error);
    }
  }
  if (!isAnySnapshot(filter) && !names.some((name) => latestPattern.test(name))) {
    problems.push(
      new LifeboatError(
        'usage',
        'snapshots are named by their IDs, so --host, --tag and --path do not count',
      ),
    );
  }
  return { snapshots: [...chosen.values()], problems };
}
