import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countRequests } from '../../bench/measure/requests.ts';
import { sampleOf } from '../../bench/measure/statistics.ts';
import { type BarRule, barOf, type Comparison, missingRow, type Row } from '../../bench/report/comparison.ts';
import { readKept } from '../../bench/report/kept.ts';
import { resultsMarkdown } from '../../bench/report/markdown.ts';
import { type GroupResult, mergeResults } from '../../bench/report/results.ts';
import { comparisonText, summaryText } from '../../bench/report/terminal.ts';

const row = (program: string, seconds: number[], peak: number[], stored: number[]): Row => ({
  program,
  seconds: sampleOf(seconds),
  peakBytes: sampleOf(peak),
  storedBytes: sampleOf(stored),
  reason: null,
});
const rows = [
  row('ours', [1, 3, 2], [10e6, 30e6, 20e6], [102]),
  row('peer', [5, 4, 6], [40e6, 50e6, 60e6], [100]),
];
const rule = (rest: Partial<BarRule>): BarRule => ({
  program: 'ours',
  peer: 'peer',
  measure: 'seconds',
  kind: 'faster',
  wanted: 2,
  ...rest,
});

describe('a bar', () => {
  test('of speed compares medians', () => {
    const bar = barOf(rule({ wanted: 2.5 }), rows);
    assert.deepEqual([bar.ours, bar.theirs, bar.ratio, bar.met], [2, 5, 2.5, true]);
    assert.equal(barOf(rule({ wanted: 2.51 }), rows).met, false);
  });

  test('of size is a ratio at most', () => {
    assert.equal(barOf(rule({ measure: 'storedBytes', kind: 'within', wanted: 1.02 }), rows).met, true);
    assert.equal(barOf(rule({ measure: 'storedBytes', kind: 'within', wanted: 1.01 }), rows).met, false);
  });

  test('of memory takes the most of all runs', () => {
    const limit: BarRule = { program: 'ours', measure: 'peakBytes', kind: 'within', wanted: 29e6 };
    const bar = barOf(limit, rows);
    assert.deepEqual([bar.ours, bar.met], [30e6, false]);
  });

  test('without both numbers is neither met nor missed, and says why', () => {
    const noPeer = barOf(rule({}), [rows[0]!, missingRow('peer', 'it is not installed')]);
    assert.deepEqual([noPeer.met, noPeer.reason], [null, 'peer: it is not installed']);
    const noOurs = barOf(rule({}), [missingRow('ours', 'unknown command'), rows[1]!]);
    assert.deepEqual([noOurs.met, noOurs.reason], [null, 'ours: unknown command']);
  });
});

const comparison: Comparison = {
  id: 'first/example',
  group: 'first',
  title: 'First backup, example',
  detail: '3 files, 1 MB',
  rows,
  bars: [barOf(rule({}), rows)],
  runs: 3,
};

describe('a report', () => {
  test('for the terminal has every program and every bar', () => {
    assert.equal(
      comparisonText(comparison),
      `First backup, example (3 files, 1 MB; runs: 3)
  program  time: median (spread)      peak memory  stored
  ours     2.00 s (1.00 s to 3.00 s)  30.0 MB      102 B
  peer     5.00 s (4.00 s to 6.00 s)  60.0 MB      100 B
  ours    peer           ratio  wanted       met
  2.00 s  5.00 s (peer)  2.50×  at least 2×  yes
`,
    );
    assert.match(summaryText([comparison]), /1 bar: 1 met, 0 not met, 0 not measured/);
  });

  const resultOf = (group: string, date: string): GroupResult => ({
    group,
    comparisons: group === 'first' ? [comparison] : [],
    circumstances: {
      date,
      command: 'npm run bench',
      commit: 'abc',
      machine: '2 cores',
      loadBefore: 0,
      runtime: 'Node',
    },
  });

  test('keeps the groups that were not measured again, each with its own date', () => {
    const before = {
      version: 1 as const,
      groups: [resultOf('first', '2026-01-01'), resultOf('check', '2026-01-01')],
    };
    const { groups } = mergeResults(before, [resultOf('first', '2026-02-02')], ['first', 'check']);
    assert.deepEqual(
      groups.map(({ group, circumstances }) => [group, circumstances.date]),
      [
        ['first', '2026-02-02'],
        ['check', '2026-01-01'],
      ],
    );
  });

  test('in Markdown says when, where and how', () => {
    const text = resultsMarkdown({ version: 1, groups: [resultOf('first', '2026-02-02')] });
    assert.match(text, /Measured on 2026-02-02 by `npm run bench`, Lifeboat at commit abc/);
    assert.match(
      text,
      /\| First backup, example: time \| 2\.00 s \| 5\.00 s \(peer\) \| 2\.50× \| at least 2× \| yes \|/,
    );
  });

  test('in Markdown keeps what it said of groups that were not measured now', () => {
    const named = (group: string, title: string, peer = 'peer'): GroupResult => {
      const renamed = rows.map((each, n) => (n === 1 ? { ...each, program: peer } : each));
      const bars = [barOf(rule({ peer }), renamed), barOf(rule({ peer, wanted: 9 }), renamed)];
      return {
        ...resultOf(group, '2026-01-01'),
        comparisons: [{ ...comparison, group, title, rows: renamed, bars }],
      };
    };
    const order = ['first', 'restore', 'check'];
    const whole = [
      named('first', 'First backup', 'tar | zstd'),
      named('restore', 'First backup, undone'),
      named('check', 'Check'),
    ];
    const text = resultsMarkdown({ version: 1, groups: whole }, [], order);
    const again = resultsMarkdown({ version: 1, groups: [whole[1]!] }, readKept(text), order);
    assert.equal(again, text);
    assert.match(again, /^6 bars: 3 met, 3 not met, 0 not measured\.$/m);
    const fresh = named('restore', 'Another title');
    const changed = resultsMarkdown({ version: 1, groups: [fresh] }, readKept(text), order);
    assert.doesNotMatch(changed, /undone/);
    assert.equal(changed.match(/^## .*$/gm)?.join(), '## first,## restore,## check');
    assert.equal(resultsMarkdown({ version: 1, groups: [] }, readKept(changed), order), changed);
  });

  test('has a column of requests where a server told of them, and holds them against a bar', () => {
    const asked = rows.map((each, n) => ({
      ...each,
      requests: sampleOf([20 + n]),
      requestKinds: { PUT: 3, GET: 17 + n },
    }));
    const bar = barOf(rule({ measure: 'requests', kind: 'within', wanted: 1.2 }), asked);
    assert.deepEqual([bar.ratio, bar.met], [20 / 21, true]);
    const text = comparisonText({ ...comparison, rows: asked, bars: [bar] });
    assert.match(text, /stored {2}requests\n/);
    assert.match(text, /102 B {3}20: GET 17, PUT 3\n/);
  });
});

test('requests of S3 are counted from the log of the gateway by their kinds', () => {
  const line = (request: string) =>
    `2026-01-01T00:00:00.000+0000 7f83  1 beast: 0x7f83: 127.0.0.1 - test [01/Jan/2026:00:00:00.000 +0000] "${request} HTTP/1.1" 200 5 - "agent" - latency=0.004000000s`;
  const log = [
    line('GET /bucket/?list-type=2&prefix=data%2F'),
    line('GET /bucket/?delimiter=%2F&list-type=2'),
    line('GET /bucket/data/aa/bb?x-id=GetObject'),
    line('PUT /bucket/data/aa/bb'),
    '2026-01-01T00:00:00.000+0000 7f83  1 ====== req done req=0x7f83 op status=0 http_status=200 ======',
  ].join('\n');
  assert.deepEqual(countRequests(log), { LIST: 2, GET: 1, PUT: 1 });
});
