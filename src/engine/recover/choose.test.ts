import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode, type LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { Lsn, Timeline, TimelineSwitch, WalRange } from '../../model/wal.ts';
import type { BackupPoint } from './backup-points.ts';
import { chooseRecovery, type RecoveryRequest } from './choose.ts';
import type { ClusterView, LogReader } from './source-view.ts';
import { parseTarget } from './target.ts';
import { recoveryWindows } from './windows.ts';

const segmentBytes = 8;
const system = '7';

function backup(timeline: Timeline, start: number, stop: number, name = `${timeline}-${stop}`): BackupPoint {
  return {
    snapshot: name as Id,
    place: 'local',
    source: 'db',
    system,
    type: 'full',
    timeline,
    start: BigInt(start),
    stop: BigInt(stop),
    stopMs: stop * 1000,
  };
}

const range = (timeline: Timeline, start: number, end: number): WalRange => ({
  timeline,
  start: BigInt(start),
  end: BigInt(end),
});

function view(parts: Partial<ClusterView>): ClusterView {
  return { source: 'db', system, segmentBytes, backups: [], ranges: [], histories: new Map(), ...parts };
}

/** One commit a second, at the LSN of that number; the log is known whole up to its end. */
const clock: LogReader = {
  async commitAfter({ end }, microseconds, atOrAfter) {
    const first = atOrAfter ? (microseconds + 999_999n) / 1_000_000n : microseconds / 1_000_000n + 1n;
    return first < end ? first + 1n : null;
  },
  completeUntilMs: async ({ end }) => Number(end) * 1000 - 500,
  recordFrom: async ({ end }, lsn) => lsn < end,
  lastCommitMs: async ({ end }) => Number(end - 1n) * 1000,
  async find({ start, end }, mark) {
    const at = mark.kind === 'xid' ? mark.xid : BigInt(mark.name);
    return start <= at && at < end ? { lsn: at, endLsn: at + 1n, timeMs: Number(at) * 1000 } : null;
  },
};

function request(to: string, more: Partial<RecoveryRequest> = {}): RecoveryRequest {
  return { target: parseTarget(to), inclusive: true, timeline: 'latest', ...more };
}

const lsn = (at: number): string => `lsn:0/${at.toString(16)}`;
const timeAt = (seconds: number): string => new Date(seconds * 1000).toISOString();

async function refusalOf(attempt: Promise<unknown>): Promise<LifeboatError> {
  try {
    await attempt;
  } catch (error) {
    if (hasCode(error, 'recovery-target-too-early', 'recovery-target-unreachable', 'recovery-timeline'))
      return error;
    throw error;
  }
  assert.fail('it was not refused');
}

describe('the choice of a recovery', () => {
  const one = view({
    backups: [backup(1, 10, 20), backup(1, 30, 40)],
    ranges: [range(1, 8, 100)],
  });

  test('takes the newest backup that ended before the target', async () => {
    for (const [to, stop] of [
      ['latest', 40n],
      ['immediate', 40n],
      [lsn(39), 20n],
      [lsn(40), 40n],
      [timeAt(39), 20n],
      [timeAt(41), 40n],
      ['xid:30', 20n],
      ['name:60', 40n],
    ] as const) {
      assert.equal((await chooseRecovery(one, request(to), clock)).backup.stop, stop, to);
    }
  });

  test('refuses what lies before the first backup, and names that', async () => {
    for (const to of [lsn(19), timeAt(19)]) {
      const { code, hint } = await refusalOf(chooseRecovery(one, request(to), clock));
      assert.equal(code, 'recovery-target-too-early');
      assert.match(hint, /1970-01-01 00:00:20\+00.*lsn:0\/14/);
    }
  });

  test('refuses what the log does not reach, and names what it does', async () => {
    for (const to of [lsn(101), timeAt(100), 'xid:200', 'name:200']) {
      const { code, hint } = await refusalOf(chooseRecovery(one, request(to), clock));
      assert.equal(code, 'recovery-target-unreachable', to);
      assert.match(hint, /lsn:0\/64/);
    }
  });

  test('replays all where nothing follows a time up to which the log is whole', async () => {
    const { ends, walEnd } = await chooseRecovery(one, request(timeAt(99.3)), clock);
    assert.deepEqual([ends, walEnd], ['end-of-log', 100n]);
    const exact = await chooseRecovery(one, request(timeAt(50)), clock);
    assert.deepEqual([exact.ends, exact.walEnd], ['target', 52n]);
    assert.equal((await chooseRecovery(one, request(timeAt(50), { inclusive: false }), clock)).walEnd, 51n);
  });

  test('does not take the end before a gap for the newest point', async () => {
    const broken = view({ ...one, ranges: [range(1, 8, 50), range(1, 56, 100)] });
    const { message, hint } = await refusalOf(chooseRecovery(broken, request('latest'), clock));
    assert.match(message, /from 0\/32 to 0\/38 of timeline 1 is missing/);
    assert.match(hint, /--to lsn:0\/32/);
  });

  test('follows a fork, whose segment either timeline may hold', async () => {
    const histories = new Map([[2, [{ timeline: 1, end: 50n, reason: '' }]]]);
    const forked = view({ ...one, histories, ranges: [range(1, 8, 48), range(2, 48, 90)] });
    const newest = await chooseRecovery(forked, request('latest'), clock);
    assert.deepEqual(
      newest.legs.map(({ timeline }) => timeline),
      [1, 2],
    );
    assert.equal(newest.walEnd, 90n);
    const own = await chooseRecovery(forked, request('latest', { timeline: 1 }), clock);
    assert.equal(own.walEnd, 48n);
  });

  test('refuses timelines that no backup leads to', async () => {
    const histories = new Map([[2, [{ timeline: 1, end: 30n, reason: '' }]]]);
    const late = view({
      backups: [backup(1, 30, 40)],
      ranges: [range(1, 8, 100), range(2, 24, 90)],
      histories,
    });
    const { code, message } = await refusalOf(chooseRecovery(late, request('latest'), clock));
    assert.equal(code, 'recovery-timeline');
    assert.match(message, /left timeline 1 at 0\/1E, before any backup there had ended/);
    const orphan = view({ ...late, histories: new Map([[3, [{ timeline: 2, end: 5n, reason: '' }]]]) });
    assert.match(
      (await refusalOf(chooseRecovery(orphan, request('latest'), clock))).message,
      /timeline 1 of the newest backup is no ancestor of timeline 3/,
    );
    assert.equal(
      (await chooseRecovery(late, request('latest', { timeline: 'current' }), clock)).walEnd,
      100n,
    );
  });
});

/** A random tree of timelines, backups on them, and parts of their log. */
const clusters: fc.Arbitrary<ClusterView> = fc
  .record({
    forks: fc.array(fc.record({ parent: fc.nat(), after: fc.integer({ min: 1, max: 40 }) }), {
      maxLength: 4,
    }),
    backups: fc.array(fc.record({ timeline: fc.nat(), at: fc.nat(60), takes: fc.nat(10) }), {
      minLength: 1,
      maxLength: 5,
    }),
    pieces: fc.array(
      fc.record({ timeline: fc.nat(), at: fc.nat(80), bytes: fc.integer({ min: 1, max: 60 }) }),
      {
        maxLength: 10,
      },
    ),
  })
  .map(({ forks, backups, pieces }) => {
    const histories = new Map<Timeline, TimelineSwitch[]>();
    const begin = new Map<Timeline, bigint>([[1, 0n]]);
    for (const [at, { parent, after }] of forks.entries()) {
      const from = 1 + (parent % (at + 1));
      const end = begin.get(from)! + BigInt(after);
      histories.set(at + 2, [...(histories.get(from) ?? []), { timeline: from, end, reason: '' }]);
      begin.set(at + 2, end);
    }
    const timelineOf = (n: number): Timeline => 1 + (n % (forks.length + 1));
    return view({
      histories,
      backups: backups.map(({ timeline, at, takes }) => {
        const own = timelineOf(timeline);
        const start = Number(begin.get(own)!) + at;
        return backup(own, start, start + takes);
      }),
      ranges: pieces.map(({ timeline, at, bytes }) => {
        const own = timelineOf(timeline);
        // A timeline's log begins with the segment of its fork.
        const first = (Number(begin.get(own)!) & -segmentBytes) + at;
        return range(own, first, first + bytes);
      }),
    });
  });

/** Whether a backup can be replayed to a point, byte by byte. */
function canReach(cluster: ClusterView, from: BackupPoint, timeline: Timeline, to: Lsn): boolean {
  const way = [...(cluster.histories.get(timeline) ?? []), { timeline, end: null }];
  const place = way.findIndex((leg) => leg.timeline === from.timeline);
  const fork = way[place]?.end ?? null;
  if (place < 0 || (fork !== null && from.stop > fork) || from.stop > to) return false;
  for (let at = from.stop; at < to; at++) {
    const leg = way.findIndex(({ end }) => end === null || at < end);
    const holders = way.slice(leg).map((each) => each.timeline);
    const there = cluster.ranges.some((r) => holders.includes(r.timeline) && r.start <= at && at < r.end);
    if (!there) return false;
  }
  return true;
}

describe('for any tree of timelines, backups and parts of the log', () => {
  test('an LSN is accepted exactly where some backup can be replayed to it, and then by that backup', async () => {
    await fc.assert(
      fc.asyncProperty(clusters, fc.nat(120), fc.nat(), async (cluster, at, which) => {
        const timelines = [1, ...cluster.histories.keys()];
        const timeline = timelines[which % timelines.length]!;
        const known = [...cluster.ranges, ...cluster.backups].some((each) => each.timeline === timeline);
        fc.pre(known || cluster.histories.has(timeline));
        // Behind what the timeline itself began with, its parents' log says nothing of it.
        const begin = cluster.histories.get(timeline)?.at(-1)?.end ?? 0n;
        const target = begin + BigInt(at);
        const expected = cluster.backups.some((each) => canReach(cluster, each, timeline, target));
        let chosen: BackupPoint | null = null;
        try {
          const to = request(lsn(Number(target)), { timeline });
          chosen = (await chooseRecovery(cluster, to, clock)).backup;
        } catch (error) {
          const codes = [
            'recovery-target-too-early',
            'recovery-target-unreachable',
            'recovery-timeline',
          ] as const;
          if (!hasCode(error, ...codes)) throw error;
        }
        assert.equal(chosen !== null, expected);
        if (chosen) assert.ok(canReach(cluster, chosen, timeline, target));
      }),
      { numRuns: 2000 },
    );
  });

  test('windows hold exactly the points that can be reached', () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        for (const { timeline, windows, gaps } of recoveryWindows(cluster)) {
          const begin = cluster.histories.get(timeline)?.at(-1)?.end ?? 0n;
          for (let at = begin; at < begin + 130n; at++) {
            const reachable = cluster.backups.some((each) => canReach(cluster, each, timeline, at));
            const inWindow = windows.some(({ start, end }) => start <= at && at <= end);
            assert.equal(inWindow, reachable, `${at} on timeline ${timeline}`);
          }
          for (const { start, end, close } of gaps) {
            assert.ok(start < end);
            assert.notEqual(close, '');
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
