import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileOutcome } from '../../repository/workers/protocol.ts';
import type { FileStat } from '../../sources/files/stat.ts';
import { createLinkedFiles } from './linked-files.ts';

const stat = {
  dev: 1,
  ino: 2,
  nlink: 3,
  size: 5,
  mtimeSec: 1,
  mtimeNsec: 0,
  ctimeSec: 1,
  ctimeNsec: 0,
} as FileStat;
const outcome: FileOutcome = {
  content: new Uint8Array(32).fill(7),
  size: 5,
  state: 'same',
  seen: { size: 5, mtimeMs: 1000, ctimeMs: 1000 },
  newBytes: 5,
  packedBytes: 40,
  problem: null,
};
const file = (more: Partial<FileStat> = {}) => ({ stat: { ...stat, ...more } });

test('the first name is read, names met meanwhile wait, later ones take what was found', () => {
  const linked = createLinkedFiles<{ stat: FileStat }>();
  const [first, second, third] = [file(), file(), file()];
  assert.equal(linked.meet(first), 'read');
  assert.equal(linked.meet(second), 'wait');
  const result = linked.read(first, outcome);
  assert.deepEqual(result.waiting, [second]);
  assert.deepEqual(result.outcome, { ...outcome, newBytes: 0, packedBytes: 0 });
  assert.equal(linked.meet(third), result.outcome);
  // All names were met: the next one of this inode is another file.
  assert.equal(linked.meet(file()), 'read');
});

test('the content is a copy: the message it came in need not be kept', () => {
  const linked = createLinkedFiles<{ stat: FileStat }>();
  const first = file();
  linked.meet(first);
  assert.notEqual(linked.read(first, outcome).outcome!.content, outcome.content);
});

test('a name that was looked at after a change is read by itself', () => {
  const linked = createLinkedFiles<{ stat: FileStat }>();
  const first = file();
  linked.meet(first);
  for (const change of [{ mtimeNsec: 1 }, { ctimeSec: 2 }, { size: 6 }]) {
    const other = createLinkedFiles<{ stat: FileStat }>();
    other.meet(file());
    assert.equal(other.meet(file(change)), 'read');
  }
  linked.read(first, outcome);
  assert.equal(linked.meet(file({ mtimeSec: 9 })), 'read');
});

test('where the first name could not be read or had changed, the others are read by themselves', () => {
  const problem = { code: 'ENOENT', message: 'gone' };
  for (const bad of [
    { ...outcome, content: null, problem },
    { ...outcome, state: 'newer' } as const,
    { ...outcome, state: 'torn' } as const,
  ]) {
    const linked = createLinkedFiles<{ stat: FileStat }>();
    const [first, second, third] = [file(), file(), file()];
    linked.meet(first);
    linked.meet(second);
    assert.deepEqual(linked.read(first, bad), { waiting: [second], outcome: null });
    assert.equal(linked.meet(third), 'read');
  }
});

test('files of other inodes and devices have nothing to do with each other', () => {
  const linked = createLinkedFiles<{ stat: FileStat }>();
  for (const more of [{}, { ino: 3 }, { dev: 9 }]) assert.equal(linked.meet(file(more)), 'read');
  assert.deepEqual(linked.read(file(), outcome), { waiting: [], outcome: null });
});
