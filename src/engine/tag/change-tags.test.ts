import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { changeTags, type TagChange } from './change-tags.ts';

const id = 'ab'.repeat(32) as Id;
const first = 'cd'.repeat(32) as Id;
const none: TagChange = { set: null, add: [], remove: [] };
const tagged = (...tags: string[]): StoredSnapshot => ({
  id,
  time: '2024-01-02T03:04:05Z',
  paths: ['/a'],
  tags,
});

describe('changing tags', () => {
  test('adds each tag once, at the end', () => {
    assert.deepEqual(changeTags(tagged('a'), { ...none, add: ['b', 'a', 'b'] })?.tags, ['a', 'b']);
  });

  test('removes tags, and the list with the last of them', () => {
    assert.deepEqual(changeTags(tagged('a', 'b'), { ...none, remove: ['a', 'x'] })?.tags, ['b']);
    assert.ok(!('tags' in changeTags(tagged('a'), { ...none, remove: ['a'] })!));
  });

  test('sets tags instead of those there were; an empty list takes all away', () => {
    assert.deepEqual(changeTags(tagged('a'), { ...none, set: ['b'] })?.tags, ['b']);
    assert.ok(!('tags' in changeTags(tagged('a'), { ...none, set: [] })!));
  });

  test('is nothing where the tags stay the same', () => {
    assert.equal(changeTags(tagged('a'), { ...none, add: ['a'], remove: ['b'] }), null);
    assert.equal(changeTags(tagged('a'), { ...none, add: ['b'], remove: ['b'] }), null);
  });

  test('keeps the first ID, and everything else', () => {
    assert.equal(changeTags(tagged(), { ...none, add: ['a'] })?.original, id);
    const before: StoredSnapshot = { ...tagged(), original: first, hostname: 'h', parent: first };
    const { id: _, ...rest } = before;
    assert.deepEqual(changeTags(before, { ...none, add: ['a'] }), { ...rest, tags: ['a'] });
  });
});
