import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObjectVersion } from '../../model/retention.ts';
import { planUndelete } from './hidden.ts';
import { planSweep } from './sweep.ts';
import { isOfRepository } from './vault.ts';

const hourMs = 3_600_000;
const nowMs = 1000 * hourMs;

/** Versions of a key from the newest to the oldest: `x` is a delete marker, `v` content; each with its age in hours. */
function versionsOf(key: string, ...history: readonly `${'x' | 'v'}${number}`[]): ObjectVersion[] {
  return history.map((text, n) => ({
    key,
    versionId: `${key} ${text}`,
    isLatest: n === 0,
    isDeleteMarker: text.startsWith('x'),
    modifiedMs: nowMs - Number(text.slice(1)) * hourMs,
    size: text.startsWith('x') ? 0 : 100,
  }));
}

describe('what was hidden since a time', () => {
  const since = nowMs - 10 * hourMs;
  const hiddenKeys = (versions: readonly ObjectVersion[]): string[] =>
    planUndelete(versions, since).hidden.map(({ key }) => key);

  test('comes back with its markers gone, snapshots last', () => {
    const plan = planUndelete(
      [
        ...versionsOf('snapshots/a', 'x1', 'v50'),
        ...versionsOf('data/a', 'x2', 'x3', 'v50', 'v60'),
        ...versionsOf('config', 'v90'),
      ],
      since,
    );
    assert.deepEqual(
      plan.hidden.map(({ key, markers, versions }) => [key, markers.length, versions.length]),
      [
        ['data/a', 2, 2],
        ['snapshots/a', 1, 1],
      ],
    );
    assert.equal(plan.bytes, 200);
    assert.equal(plan.earliestMs, nowMs - 3 * hourMs);
    assert.equal(plan.latestMs, nowMs - hourMs);
  });

  test('is not what was hidden before, nor what comes and goes, nor what has no content', () => {
    assert.deepEqual(
      hiddenKeys([
        ...versionsOf('snapshots/forgotten', 'x11', 'v50'),
        ...versionsOf('locks/a', 'x1', 'v2'),
        ...versionsOf('lifeboat/journal/app/1/heartbeat', 'x1', 'v2'),
        ...versionsOf('lifeboat/canary/a', 'x1', 'v2'),
        ...versionsOf('data/gone', 'x1'),
        ...versionsOf('data/back', 'v1', 'x2', 'v50'),
      ]),
      [],
    );
  });

  test('is looked at where it was overwritten since then', () => {
    const { overwritten } = planUndelete(
      [
        ...versionsOf('data/new', 'v1'),
        ...versionsOf('data/twice', 'v1', 'v50'),
        ...versionsOf('data/before', 'v20', 'v50'),
        ...versionsOf('data/back', 'v1', 'x2', 'v50'),
      ],
      since,
    );
    assert.deepEqual(
      overwritten.map(({ key }) => key),
      ['data/twice', 'data/back'],
    );
  });
});

test('what else is in the bucket is not the repository', () => {
  const ours = ['config', 'keys/a', 'data/aa/a', 'lifeboat/journal/app/1/heartbeat', 'locks/a'];
  const others = ['app/config', 'app/data/aa/a', 'configuration', 'keys', 'database/dump', 'config/a'];
  assert.deepEqual([...ours, ...others].filter(isOfRepository), ours);
});

describe('a sweep', () => {
  const forMs = 30 * hourMs;
  const swept = (...versions: ObjectVersion[]): string[] =>
    planSweep(versions, forMs, nowMs).remove.map(({ versionId }) => versionId);

  test('removes what has been hidden for as long as the policy says, content first', () => {
    assert.deepEqual(swept(...versionsOf('snapshots/a', 'x31', 'v50')), [
      'snapshots/a v50',
      'snapshots/a x31',
    ]);
    assert.deepEqual(swept(...versionsOf('snapshots/a', 'x29', 'v50')), []);
    assert.deepEqual(swept(...versionsOf('snapshots/a', 'x31')), ['snapshots/a x31']);
  });

  test('leaves what can be read, and markers above what stays', () => {
    assert.deepEqual(swept(...versionsOf('data/a', 'v50')), []);
    assert.deepEqual(swept(...versionsOf('data/a', 'v40', 'v50')), ['data/a v50']);
    assert.deepEqual(swept(...versionsOf('data/a', 'v1', 'x40', 'v50')), ['data/a v50']);
    assert.deepEqual(swept(...versionsOf('data/a', 'x10', 'v20', 'x40', 'v50')), ['data/a v50']);
  });

  test('removes what locks and heartbeats left after an hour', () => {
    assert.deepEqual(swept(...versionsOf('locks/a', 'x2', 'v3')), ['locks/a v3', 'locks/a x2']);
    assert.deepEqual(swept(...versionsOf('locks/a', 'x0.5', 'v3')), []);
    assert.deepEqual(swept(...versionsOf('lifeboat/journal/app/1/heartbeat', 'v1', 'v2', 'v3')), [
      'lifeboat/journal/app/1/heartbeat v3',
      'lifeboat/journal/app/1/heartbeat v2',
    ]);
    assert.deepEqual(swept(...versionsOf('lifeboat/journal/app/1/piece', 'v1', 'v2', 'v3')), []);
  });
});
