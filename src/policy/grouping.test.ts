import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { formatGroupKey, groupSnapshots, parseGroupBy, refuseToEmpty } from './grouping.ts';

let number = 0;
function snapshot(hostname: string, paths: string[], tags?: string[]): StoredSnapshot {
  number += 1;
  const id = String(number).padStart(64, '0') as Id;
  return { id, time: '2025-01-01T00:00:00Z', hostname, paths, ...(tags === undefined ? {} : { tags }) };
}

describe('grouping', () => {
  it('reads restic’s words, singular and plural', () => {
    assert.deepEqual(parseGroupBy(''), { host: false, paths: false, tags: false });
    assert.deepEqual(parseGroupBy('host,path,tag'), { host: true, paths: true, tags: true });
    assert.deepEqual(parseGroupBy('hosts,paths,tags'), { host: true, paths: true, tags: true });
    assert.throws(() => parseGroupBy('tags,invalid'), /not "invalid"/);
    assert.throws(() => parseGroupBy('toString'), /not "toString"/);
  });

  it('does not mind the order of paths and tags', () => {
    const list = [
      snapshot('a', ['/y', '/x'], ['2', '1']),
      snapshot('a', ['/x', '/y'], ['1', '2']),
      snapshot('b', ['/x', '/y']),
    ];
    const groups = groupSnapshots(list, parseGroupBy('host,paths,tags'));
    assert.deepEqual(
      groups.map(({ key, snapshots }) => [formatGroupKey(key), snapshots.length]),
      [
        ['host a, path [/x /y], tags [1 2]', 2],
        ['host b, path [/x /y]', 1],
      ],
    );
    assert.deepEqual(groups[0]?.snapshots[0]?.paths, ['/x', '/y']);
    assert.deepEqual(list[0]?.paths, ['/y', '/x'], 'the snapshots given are left alone');
  });

  it('says null for what it was not asked about', () => {
    const [group] = groupSnapshots([snapshot('a', ['/x'], ['t'])], parseGroupBy('host'));
    assert.deepEqual(group?.key, { hostname: 'a', paths: null, tags: null });
  });

  it('makes one group of all without a criterion, and none of nothing', () => {
    assert.equal(groupSnapshots([snapshot('a', ['/x']), snapshot('b', ['/y'])], parseGroupBy('')).length, 1);
    assert.deepEqual(groupSnapshots([], parseGroupBy('host')), []);
  });

  it('sorts paths by their bytes', () => {
    const [group] = groupSnapshots([snapshot('a', ['/\u{1f600}', '/\uff01'])], parseGroupBy('paths'));
    assert.deepEqual(group?.key.paths, ['/\uff01', '/\u{1f600}']);
  });

  it('refuses to take the last snapshot of a group', () => {
    const [group] = groupSnapshots([snapshot('a', ['/x'])], parseGroupBy('host'));
    assert.ok(group);
    assert.throws(
      () => refuseToEmpty(group, 0),
      (error) => hasCode(error, 'usage') && error.message.endsWith('of the group host a'),
    );
    refuseToEmpty(group, 1);
  });
});
