import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { emptyPolicy } from '../../policy/retention.ts';
import { anySnapshot } from '../../policy/snapshot-selection.ts';
import { type ForgetRequest, planForget } from './plan.ts';

const snapshots = ['a', 'a', 'b', 'b', 'b'].map(
  (hostname, n): StoredSnapshot => ({
    id: String(n).padStart(64, '0') as Id,
    time: `2024-01-0${n + 1}T00:00:00Z`,
    paths: ['/'],
    hostname,
  }),
);
const request: ForgetRequest = {
  groupBy: { host: true, paths: true, tags: false },
  policy: { ...emptyPolicy, last: 1 },
  filter: anySnapshot,
  allowRemoveAll: false,
  now: { seconds: 2e9, nanoseconds: 0 },
};

describe('planning to forget', () => {
  test('counts in each group by itself', () => {
    const { groups, remove } = planForget(snapshots, request);
    assert.deepEqual(
      groups.map(({ key, keep, remove: gone }) => [key.hostname, keep.length, gone.length]),
      [
        ['a', 1, 1],
        ['b', 1, 2],
      ],
    );
    assert.deepEqual(
      remove.map(({ time }) => time.slice(0, 10)),
      ['2024-01-01', '2024-01-04', '2024-01-03'],
    );
  });

  test('needs a policy', () => {
    assert.throws(() => planForget(snapshots, { ...request, policy: emptyPolicy }), {
      code: 'usage',
      message: /no policy/,
    });
  });

  test('does not take the last snapshot of a group by a policy', () => {
    const policy = { ...emptyPolicy, tags: [['kept']] };
    assert.throws(() => planForget(snapshots, { ...request, policy }), {
      code: 'usage',
      message: /last snapshot/,
    });
  });

  test('removes all that a filter lets through only when told to, and never without a filter', () => {
    const all = { ...request, policy: emptyPolicy, allowRemoveAll: true };
    assert.throws(() => planForget(snapshots, all), { code: 'usage' });
    const { remove } = planForget(snapshots, { ...all, filter: { ...anySnapshot, hosts: ['a', 'b'] } });
    assert.equal(remove.length, 5);
  });
});
