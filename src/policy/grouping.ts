import { bytesOfText } from '../core/bytestring.ts';
import { LifeboatError } from '../core/errors.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';

/** By what snapshots are put into groups (restic internal/data/snapshot_group.go). */
export interface GroupBy {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** What the snapshots of a group have in common; null for what was not asked about or is absent. */
export interface GroupKey {
  readonly hostname: string;
  readonly paths: readonly string[] | null;
  readonly tags: readonly string[] | null;
}

export interface SnapshotGroup {
  readonly key: GroupKey;
  /** In the order given, their paths sorted, and their tags too when they are grouped by tags. */
  readonly snapshots: readonly StoredSnapshot[];
}

const words: Readonly<Record<string, keyof GroupBy>> = {
  host: 'host',
  hosts: 'host',
  path: 'paths',
  paths: 'paths',
  tag: 'tags',
  tags: 'tags',
};

/**
 * Reads what --group-by takes: `host,paths,tags` or a part of it; empty for no groups.
 *
 * @throws Error naming the word that is none of these.
 */
export function parseGroupBy(text: string): GroupBy {
  const chosen = { host: false, paths: false, tags: false };
  for (const word of text.split(',')) {
    if (word === '') continue;
    const key = Object.hasOwn(words, word) ? words[word] : undefined;
    if (key === undefined) throw new Error(`expected host, paths or tags, not ${JSON.stringify(word)}`);
    chosen[key] = true;
  }
  return chosen;
}

/** Groups in a settled order: by their key. Without a criterion there is one group; without snapshots none. */
export function groupSnapshots(snapshots: readonly StoredSnapshot[], by: GroupBy): SnapshotGroup[] {
  const groups = new Map<string, { key: GroupKey; snapshots: StoredSnapshot[] }>();
  for (const given of snapshots) {
    const snapshot: StoredSnapshot = {
      ...given,
      paths: sortTexts(given.paths),
      ...(by.tags && given.tags !== undefined ? { tags: sortTexts(given.tags) } : {}),
    };
    const key: GroupKey = {
      hostname: by.host ? (snapshot.hostname ?? '') : '',
      paths: by.paths ? snapshot.paths : null,
      tags: by.tags ? (snapshot.tags ?? null) : null,
    };
    const name = JSON.stringify(key);
    const group = groups.get(name) ?? { key, snapshots: [] };
    group.snapshots.push(snapshot);
    groups.set(name, group);
  }
  return [...groups.entries()].sort(([a], [b]) => compareTexts(a, b)).map(([, group]) => group);
}

/** `host a, path [/x /y], tags [t]`; empty for the group of all. */
export function formatGroupKey({ hostname, paths, tags }: GroupKey): string {
  const list = (items: readonly string[] | null): string => `[${(items ?? []).join(' ')}]`;
  return [
    hostname === '' ? '' : `host ${hostname}`,
    paths === null || paths.length === 0 ? '' : `path ${list(paths)}`,
    tags === null || tags.length === 0 ? '' : `tags ${list(tags)}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/**
 * For forget: a group must not lose its last snapshot to a policy.
 *
 * @throws LifeboatError `usage`.
 */
export function refuseToEmpty(group: SnapshotGroup, kept: number): void {
  if (kept > 0 || group.snapshots.length === 0) return;
  const name = formatGroupKey(group.key);
  throw new LifeboatError(
    'usage',
    `the policy would remove the last snapshot${name === '' ? '' : ` of the group ${name}`}`,
    {
      hint: 'add a --keep option that keeps at least one snapshot, or forget snapshots by their IDs',
    },
  );
}

/** By bytes of UTF-8, as Go compares; differs from JavaScript's order beyond U+FFFF. */
function compareTexts(a: string, b: string): number {
  const first = bytesOfText(a);
  const second = bytesOfText(b);
  return first < second ? -1 : first > second ? 1 : 0;
}

function sortTexts(texts: readonly string[]): string[] {
  return texts.toSorted(compareTexts);
}
