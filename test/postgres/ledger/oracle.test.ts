import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Attempt } from './entry.ts';
import { hashOf } from './entry.ts';
import {
  attemptsOf,
  commitsUpTo,
  disagreements,
  type Path,
  type Point,
  problemsOf,
  type State,
  stateAfter,
  type TransactionEnd,
} from './oracle.ts';

/** Twelve transactions of three clients, one after the other, at LSN 100, 200, … and second 1, 2, … */
function history(): { attempts: Attempt[]; ends: TransactionEnd[] } {
  const heads = new Map<number, Attempt>();
  const attempts = Array.from({ length: 12 }, (_, index): Attempt => {
    const client = (index % 3) + 1;
    const head = heads.get(client);
    const entry = {
      client,
      n: (head?.n ?? 0) + 1,
      previous: head?.hash ?? '',
      payload: `payload ${index}`,
      fromAccount: 1 + index,
      toAccount: 2 + index,
      amount: 10 + index,
    };
    const second = BigInt(index + 1) * 1_000_000n;
    const attempt = {
      ...entry,
      hash: hashOf(entry),
      timeline: 1,
      xid: 700 + index,
      beforeUs: second - 10n,
      acknowledged: { behind: BigInt(index + 1) * 100n + 50n, commitUs: second, afterUs: second + 10n },
    };
    heads.set(client, attempt);
    return attempt;
  });
  const ends = attempts.map(
    ({ xid }, index): TransactionEnd => ({
      kind: 'commit',
      timeline: 1,
      start: BigInt(index + 1) * 100n,
      xid,
      timeUs: BigInt(index + 1) * 1_000_000n,
    }),
  );
  return { attempts, ends };
}

const straight: Path = { timeline: 1, ancestors: [] };
const xids = (ends: readonly TransactionEnd[], path: Path, point: Point): number[] =>
  commitsUpTo(ends, path, point).map(({ xid }) => xid);

describe('the oracle', () => {
  const { attempts, ends } = history();
  const all = stateAfter(attemptsOf(commitsUpTo(ends, straight, { kind: 'latest' }), attempts));

  test('finds nothing wrong with what was committed', () => {
    assert.deepEqual(problemsOf(all, stateAfter(attempts.toReversed())), []);
    assert.deepEqual(disagreements(ends, attempts), []);
  });

  test('notices each transaction that is dropped, wherever it was', () => {
    for (const dropped of attempts) {
      const rest = stateAfter(attempts.filter((attempt) => attempt !== dropped));
      const problems = problemsOf(all, rest).join('\n');
      assert.match(problems, /was committed before the point and is missing/);
      assert.match(problems, /balance of account/);
      assert.match(problems, /count of client/);
    }
  });

  test('notices a transaction more', () => {
    const expected = stateAfter(attempts.slice(0, 11));
    const problems = problemsOf(expected, all);
    assert.match(problems.join('\n'), /is there, but was not committed before the point/);
  });

  test('notices half a transaction: a row without its transfer, a transfer without its row', () => {
    const half = stateAfter(attempts.slice(0, 11));
    const withRow: State = { ...half, chain: all.chain };
    assert.match(problemsOf(all, withRow).join('\n'), /balance of account 12 is 1020, not 999/);
    assert.match(problemsOf(all, { ...all, chain: half.chain }).join('\n'), /missing/);
  });

  test('notices changed bytes, a copied row and a chain that was cut', () => {
    const changed = all.chain.map((entry, at) => (at === 5 ? { ...entry, payload: 'other' } : entry));
    assert.match(problemsOf(all, { ...all, chain: changed }).join('\n'), /does not match its hash/);
    const copied = [...all.chain, all.chain[0]!];
    assert.match(problemsOf(all, { ...all, chain: copied }).join('\n'), /is there twice/);
    const cut = all.chain.filter(({ client, n }) => client !== 1 || n !== 2);
    assert.match(problemsOf(all, { ...all, chain: cut }).join('\n'), /does not follow the one before it/);
  });

  test('notices a lost account', () => {
    const balances = new Map(all.balances);
    balances.delete(60);
    assert.deepEqual(problemsOf(all, { ...all, balances }), ['balance of account 60 is absent, not 1000']);
  });

  test('cuts by LSN behind the first record from there on, or before it', () => {
    const lsn = (at: bigint, record: bigint, inclusive: boolean): number =>
      xids(ends, straight, { kind: 'lsn', lsn: at, record, inclusive }).length;
    assert.equal(lsn(300n, 300n, true), 3);
    assert.equal(lsn(300n, 300n, false), 2);
    assert.equal(lsn(301n, 330n, true), 3);
    assert.equal(lsn(301n, 400n, true), 4);
    assert.equal(lsn(301n, 400n, false), 3);
  });

  test('cuts by time before the first record that is too late, though a later one is earlier', () => {
    const mixed = ends.map((end, at) => (at === 4 ? { ...end, timeUs: 9_500_000n } : end));
    const time = (seconds: bigint, inclusive: boolean): number =>
      xids(mixed, straight, { kind: 'time', timeUs: seconds * 1_000_000n, inclusive }).length;
    assert.equal(time(3n, true), 3);
    assert.equal(time(3n, false), 2);
    assert.equal(time(7n, true), 4);
    assert.equal(time(10n, true), 10);
  });

  test('lets an abort end a recovery by time, but counts none', () => {
    const aborted = ends.map((end, at) => (at === 4 ? { ...end, kind: 'abort' as const } : end));
    const time: Point = { kind: 'time', timeUs: 4_500_000n, inclusive: true };
    assert.equal(xids(aborted, straight, time).length, 4);
    assert.equal(xids(aborted, straight, { kind: 'latest' }).length, 11);
  });

  test('follows timelines: what was left behind on an old one never happened', () => {
    const next = ends.slice(8).map((end) => ({ ...end, timeline: 2, start: end.start - 50n }));
    const path: Path = { timeline: 2, ancestors: [{ timeline: 1, end: 750n, reason: '' }] };
    assert.deepEqual(
      xids([...ends, ...next], path, { kind: 'latest' }),
      [700, 701, 702, 703, 704, 705, 706, 708, 709, 710, 711],
    );
    assert.equal(xids([...ends, ...next], straight, { kind: 'latest' }).length, 12);
  });

  test('disbelieves a log that lacks what clients were told of', () => {
    assert.match(disagreements(ends.slice(1), attempts)[0]!, /entry 1 of client 1 was acknowledged/);
    const late = ends.map((end) => ({ ...end, start: end.start + 90n }));
    assert.match(disagreements(late, attempts)[0]!, /behind what its client saw/);
  });
});
