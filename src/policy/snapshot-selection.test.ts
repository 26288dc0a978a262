import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import {
  anySnapshot,
  filterHosts,
  filterPaths,
  findSnapshot,
  matchesFilter,
  selectSnapshots,
} from './snapshot-selection.ts';
import { flattenTags, hasTags, parseTagList } from './tags.ts';

const make = (
  id: string,
  time: string,
  hostname: string,
  paths: string[],
  tags?: string[],
): StoredSnapshot => ({
  id: id.padEnd(64, '0') as Id,
  time,
  hostname,
  paths,
  ...(tags === undefined ? {} : { tags }),
});

const first = make('aa11', '2015-05-05T05:05:05Z', 'foo', ['/etc', '/srv'], ['a', 'b']);
const second = make('aa22', '2017-07-07T07:07:07Z', 'foo', ['/etc'], ['a']);
const third = make('bb33', '2019-09-09T09:09:09Z', 'bar', ['/srv']);
const all = [second, third, first];

describe('finding one snapshot', () => {
  it('takes latest for the newest, and counts back from it', () => {
    assert.equal(findSnapshot(all, 'latest').snapshot, third);
    assert.equal(findSnapshot(all, 'latest~1').snapshot, second);
    assert.equal(findSnapshot(all, 'latest', { ...anySnapshot, hosts: ['foo'] }).snapshot, second);
    assert.equal(findSnapshot(all, 'latest~1', { ...anySnapshot, hosts: ['foo'] }).snapshot, first);
    const notAfter = { seconds: Date.UTC(2018, 7, 8) / 1000, nanoseconds: 0 };
    assert.equal(findSnapshot(all, 'latest', { ...anySnapshot, notAfter }).snapshot, second);
  });

  it('takes an ID or the beginning of one, whatever the filter', () => {
    assert.equal(findSnapshot(all, 'aa1', { ...anySnapshot, hosts: ['bar'] }).snapshot, first);
    assert.equal(findSnapshot(all, third.id).snapshot, third);
  });

  it('splits off a folder inside the snapshot', () => {
    assert.deepEqual(findSnapshot(all, 'latest:/srv/a:b'), { snapshot: third, subfolder: '/srv/a:b' });
    assert.deepEqual(findSnapshot(all, 'bb:'), { snapshot: third, subfolder: '' });
  });

  it('refuses what fits none or several', () => {
    const refused = (text: string, message: RegExp, filter = anySnapshot): void => {
      assert.throws(
        () => findSnapshot(all, text, filter),
        (error) => hasCode(error, 'snapshot-missing') && message.test(error.message),
        text,
      );
    };
    refused('aa', /2 snapshots have an ID that begins with "aa": aa1100, aa2200$/);
    refused('cc', /no snapshot has an ID that begins with "cc"/);
    refused('', /no snapshot/);
    refused('latest~3', /only 3 snapshots/);
    refused('latest', /no snapshot of host x with tags \[t, u\]/, {
      hosts: ['x'],
      tags: [['t', 'u']],
      paths: [],
    });
  });
});

describe('selecting snapshots', () => {
  it('without names takes all that the filter lets through', () => {
    assert.deepEqual(selectSnapshots(all, [], { ...anySnapshot, tags: [['a', 'b'], ['zzz']] }).snapshots, [
      first,
    ]);
    assert.deepEqual(selectSnapshots(all, [], { ...anySnapshot, paths: ['/etc', '/srv'] }).snapshots, [
      first,
    ]);
    assert.deepEqual(selectSnapshots(all, []).snapshots, all);
  });

  it('with names takes each once, and tells what it cannot have', () => {
    const { snapshots, problems } = selectSnapshots(all, ['bb', 'latest', 'xx', 'aa1:folder']);
    assert.deepEqual(snapshots, [third]);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['snapshot-missing', 'usage'],
    );
  });

  it('says that a filter does not count for IDs', () => {
    const filter = { ...anySnapshot, hosts: ['foo'] };
    assert.equal(selectSnapshots(all, ['bb'], filter).problems.length, 1);
    assert.deepEqual(selectSnapshots(all, ['latest'], filter), { snapshots: [second], problems: [] });
  });
});

describe('a snapshot filter', () => {
  it('takes the empty tag for having no tags', () => {
    assert.equal(hasTags(third, ['']), true);
    assert.equal(hasTags(first, ['']), false);
    assert.equal(hasTags(first, []), true);
    assert.equal(matchesFilter(third, { ...anySnapshot, tags: [parseTagList('')] }), true);
  });

  it('reads lists of tags', () => {
    assert.deepEqual(parseTagList('a, b ,c'), ['a', 'b', 'c']);
    assert.deepEqual(flattenTags([['a', ''], ['b']]), ['a', 'b']);
  });

  it('takes away the default host for an empty one', () => {
    assert.deepEqual(filterHosts(['']), []);
    assert.deepEqual(filterHosts(['a', '']), ['a', '']);
  });

  it('makes paths absolute and clean', () => {
    assert.deepEqual(filterPaths(['a/../b', '/x//y/'], '/srv/me'), ['/srv/me/b', '/x/y']);
  });
});
