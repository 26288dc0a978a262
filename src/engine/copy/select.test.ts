import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { copiedSnapshot, selectForCopy } from './select.ts';

const idOf = (digit: string): Id => digit.repeat(64) as Id;
const source: StoredSnapshot = {
  id: idOf('a'),
  time: '2024-01-02T03:04:05Z',
  parent: idOf('9'),
  tree: idOf('1'),
  paths: ['/x', '/y'],
  hostname: 'h',
  tags: ['t'],
};
const copied = (more: Partial<StoredSnapshot> = {}): StoredSnapshot => ({
  ...copiedSnapshot(source),
  id: idOf('b'),
  ...more,
});
const count = (there: readonly StoredSnapshot[], from: StoredSnapshot = source): number =>
  selectForCopy([from], there).copy.length;

describe('choosing what to copy', () => {
  test('leaves out what was copied, whatever order and zone it is told in', () => {
    assert.equal(count([]), 1);
    assert.equal(count([copied()]), 0);
    assert.equal(count([copied({ paths: ['/y', '/x'], time: '2024-01-02T04:04:05+01:00' })]), 0);
    assert.deepEqual(selectForCopy([source], [copied()]).skip, [{ source, copied: copied() }]);
  });

  test('leaves out the very snapshot, and what was copied on and back', () => {
    assert.equal(count([source]), 0);
    assert.equal(count([source], copied({ id: idOf('c') })), 0);
  });

  test('copies what differs from the copy, or comes from elsewhere', () => {
    const differing: Partial<StoredSnapshot>[] = [
      { tags: [] },
      { tags: ['u'] },
      { hostname: 'i' },
      { username: 'u' },
      { uid: 1 },
      { gid: 1 },
      { tree: idOf('2') },
      { time: '2024-01-02T03:04:06Z' },
      { paths: ['/x'] },
      { excludes: ['*.tmp'] },
      { original: idOf('d') },
    ];
    for (const more of differing) assert.equal(count([copied(more)]), 1, JSON.stringify(more));
  });
});

test('a copy keeps its first ID and has no parent', () => {
  assert.equal(copiedSnapshot(source).original, source.id);
  assert.equal(copiedSnapshot({ ...source, original: idOf('e') }).original, idOf('e'));
  assert.ok(!('parent' in copiedSnapshot(source)) && !('id' in copiedSnapshot(source)));
});
