import { formatLsn, type Lsn, type Timeline, type TimelineSwitch } from '../../../src/model/wal.ts';
import { type Attempt, accounts, type Entry, hashOf, openingBalance } from './entry.ts';

/** What a recovered database must hold, said by the server's own log, and whether it holds that. */

/** The end of a transaction as the log has it, in the order of the log. */
export interface TransactionEnd {
  readonly kind: 'commit' | 'abort';
  readonly timeline: Timeline;
  /** Where its record starts. */
  readonly start: Lsn;
  readonly xid: number;
  readonly timeUs: bigint;
}

export type Point =
  | { readonly kind: 'latest' }
  /** Recovery stops at the first record that starts at `lsn` or later: `record`. */
  | { readonly kind: 'lsn'; readonly lsn: Lsn; readonly record: Lsn; readonly inclusive: boolean }
  | { readonly kind: 'time'; readonly timeUs: bigint; readonly inclusive: boolean }
  | { readonly kind: 'xid'; readonly xid: number; readonly inclusive: boolean };

/** A timeline with the ancestors that its history file names. */
export interface Path {
  readonly timeline: Timeline;
  readonly ancestors: readonly TimelineSwitch[];
}

/** The ends that a server on this timeline has gone through, in order. */
export function endsOnPath(ends: readonly TransactionEnd[], path: Path): TransactionEnd[] {
  let from = 0n;
  const parts: TransactionEnd[] = [];
  for (const { timeline, end } of [...path.ancestors, { timeline: path.timeline, end: null }]) {
    const start = from;
    parts.push(
      ...ends.filter(
        (each) => each.timeline === timeline && each.start >= start && (end === null || each.start < end),
      ),
    );
    if (end !== null) from = end;
  }
  return parts;
}

/**
 * Commits that a recovery to `point` has replayed, by the rules of recoveryStopsBefore and recoveryStopsAfter
 * (src/backend/access/transam/xlogrecovery.c): by time it stops before the first commit or abort record that is
 * too late, even where a later record has an earlier time.
 */
export function commitsUpTo(
  ends: readonly TransactionEnd[],
  path: Path,
  point: Point,
): readonly TransactionEnd[] {
  const passed = endsOnPath(ends, path);
  const commits = (count: number): TransactionEnd[] =>
    passed.slice(0, count).filter(({ kind }) => kind === 'commit');
  const before = (stops: (end: TransactionEnd) => boolean): number => {
    const at = passed.findIndex(stops);
    return at < 0 ? passed.length : at;
  };
  if (point.kind === 'latest') return commits(passed.length);
  const { inclusive } = point;
  if (point.kind === 'time')
    return commits(before(({ timeUs }) => (inclusive ? timeUs > point.timeUs : timeUs >= point.timeUs)));
  if (point.kind === 'lsn')
    return commits(before(({ start }) => (inclusive ? start > point.record : start >= point.lsn)));
  const at = passed.findIndex(({ xid }) => xid === point.xid);
  if (at < 0) throw new Error(`transaction ${point.xid} has not ended on this timeline`);
  return commits(inclusive ? at + 1 : at);
}

export interface FoundEntry extends Entry {
  readonly hash: string;
}

/** What a database holds. */
export interface State {
  readonly chain: readonly FoundEntry[];
  readonly balances: ReadonlyMap<number, bigint>;
  /** Entries of each client, counted by its transactions. */
  readonly told: ReadonlyMap<number, bigint>;
}

const key = (timeline: Timeline, xid: number): string => `${timeline}/${xid}`;

/** The attempts behind commit records; other transactions, such as those of tools, are left out. */
export function attemptsOf(commits: readonly TransactionEnd[], attempts: readonly Attempt[]): Attempt[] {
  const byXid = new Map(attempts.map((attempt) => [key(attempt.timeline, attempt.xid), attempt]));
  return commits.flatMap(({ timeline, xid }) => byXid.get(key(timeline, xid)) ?? []);
}

/** What a database holds after these entries. */
export function stateAfter(entries: readonly FoundEntry[]): State {
  const balances = new Map(Array.from({ length: accounts }, (_, index) => [index + 1, openingBalance]));
  const told = new Map<number, bigint>();
  for (const { client, fromAccount, toAccount, amount } of entries) {
    balances.set(fromAccount, balances.get(fromAccount)! - BigInt(amount));
    balances.set(toAccount, balances.get(toAccount)! + BigInt(amount));
    told.set(client, (told.get(client) ?? 0n) + 1n);
  }
  return { chain: entries, balances, told };
}

const problemsMax = 20;
const name = ({ client, n }: Entry): string => `entry ${n} of client ${client}`;

/**
 * Holds what was found against what must be there.
 * @returns sentences, at most 20; none where all is right.
 */
export function problemsOf(expected: State, found: State): string[] {
  const problems: string[] = [];
  const wanted = new Map(expected.chain.map((entry) => [entry.hash, entry]));
  const there = new Set<string>();
  const last = new Map<number, FoundEntry>();
  for (const entry of found.chain.toSorted((a, b) => a.client - b.client || a.n - b.n)) {
    if (hashOf(entry) !== entry.hash) problems.push(`${name(entry)} does not match its hash`);
    const before = last.get(entry.client);
    if (entry.n !== (before?.n ?? 0) + 1 || entry.previous !== (before?.hash ?? ''))
      problems.push(`${name(entry)} does not follow the one before it`);
    last.set(entry.client, entry);
    if (!wanted.has(entry.hash))
      problems.push(`${name(entry)} is there, but was not committed before the point`);
    if (there.has(entry.hash)) problems.push(`${name(entry)} is there twice`);
    there.add(entry.hash);
  }
  for (const [hash, entry] of wanted)
    if (!there.has(hash)) problems.push(`${name(entry)} was committed before the point and is missing`);
  compareNumbers('balance of account', expected.balances, found.balances, problems);
  compareNumbers('count of client', expected.told, found.told, problems);
  return problems.slice(0, problemsMax);
}

function compareNumbers(
  what: string,
  expected: ReadonlyMap<number, bigint>,
  found: ReadonlyMap<number, bigint>,
  problems: string[],
): void {
  for (const id of new Set([...expected.keys(), ...found.keys()]))
    if (expected.get(id) !== found.get(id))
      problems.push(`${what} ${id} is ${found.get(id) ?? 'absent'}, not ${expected.get(id) ?? 'absent'}`);
}

/**
 * Holds the log against what the clients were told: an oracle that is wrong about the source must not judge.
 * @returns sentences; none where both tell the same story.
 */
export function disagreements(ends: readonly TransactionEnd[], attempts: readonly Attempt[]): string[] {
  const commits = new Map(
    ends.filter(({ kind }) => kind === 'commit').map((end) => [key(end.timeline, end.xid), end]),
  );
  const problems: string[] = [];
  for (const attempt of attempts) {
    const { acknowledged, beforeUs } = attempt;
    if (acknowledged === null) continue;
    const commit = commits.get(key(attempt.timeline, attempt.xid));
    if (!commit) problems.push(`${name(attempt)} was acknowledged, but the log has no commit of it`);
    else if (commit.timeUs !== acknowledged.commitUs) problems.push(`${name(attempt)} has two commit times`);
    else if (commit.timeUs < beforeUs || commit.timeUs > acknowledged.afterUs)
      problems.push(`${name(attempt)} committed outside of the time its client saw`);
    else if (commit.start >= acknowledged.behind)
      problems.push(`${name(attempt)} committed at ${formatLsn(commit.start)}, behind what its client saw`);
  }
  return problems.slice(0, problemsMax);
}
