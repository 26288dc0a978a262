import assert from 'node:assert/strict';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ByteString, bytesOfText, joinPath } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import { lstatFast, mkfifo, setTimes, setXattr } from '../../transport/posix.ts';
import { type NodeOptions, nodeOfStat } from './metadata.ts';

let folder: ByteString;
const at = (name: string): ByteString => joinPath(folder, name as ByteString);
const nodeAt = (name: string, options: NodeOptions = {}): TreeNode =>
  nodeOfStat(at(name), name as ByteString, lstatFast(at(name)), options);

before(() => {
  folder = bytesOfText(mkdtempSync(join(tmpdir(), 'metadata-')));
  writeFileSync(at('file'), 'content');
  writeFileSync(at('linked'), '');
  linkSync(at('linked'), at('linked-too'));
  mkdirSync(at('dir'));
  symlinkSync('file', at('link'));
  mkfifo(at('fifo'), 0o600);
});
after(() => rmSync(folder, { recursive: true }));

test('size is only kept for files, links not for directories and fifos', () => {
  const fields = (name: string) => {
    const { type, size, links, content, linktarget } = nodeAt(name);
    return { type, size, links, content, linktarget };
  };
  const none = { size: undefined, links: undefined, content: null, linktarget: undefined };
  assert.deepEqual(fields('file'), { ...none, type: 'file', size: 7, links: 1, content: [] });
  assert.deepEqual(fields('linked'), { ...none, type: 'file', size: 0, links: 2, content: [] });
  assert.deepEqual(fields('dir'), { ...none, type: 'dir' });
  assert.deepEqual(fields('link'), { ...none, type: 'symlink', links: 1, linktarget: 'file' });
  assert.deepEqual(fields('fifo'), { ...none, type: 'fifo' });
});

test('the access time is only kept when asked for', () => {
  setTimes(at('file'), { seconds: 10, nanoseconds: 1 }, { seconds: 20, nanoseconds: 2 });
  const kept = nodeAt('file', { withAtime: true });
  assert.deepEqual(parseTime(kept.atime), { seconds: 10, nanoseconds: 1 });
  assert.deepEqual(parseTime(kept.mtime), { seconds: 20, nanoseconds: 2 });
  assert.equal(nodeAt('file').atime, kept.mtime);
});

test('the device number may be left to hard links', () => {
  const has = (name: string) => nodeAt(name, { deviceIdOfHardLinksOnly: true }).device_id !== undefined;
  assert.deepEqual(['file', 'dir', 'linked', 'link'].map(has), [false, false, true, false]);
  assert.equal(nodeAt('dir').device_id, lstatFast(folder).dev);
});

test('attributes of an unchanged file are taken from its earlier node, of a changed one read', (t) => {
  const name = 'user.one' as ByteString;
  if (!setXattr(at('file'), name, Buffer.from('1'))) {
    t.skip('needs a filesystem with extended attributes');
    return;
  }
  const first = nodeAt('file');
  assert.deepEqual(first.extended_attributes, [{ name, value: Buffer.from('1') }]);
  const previous = { ...first, extended_attributes: [{ name, value: Buffer.from('remembered') }] };
  assert.deepEqual(nodeAt('file', { previous }).extended_attributes, previous.extended_attributes);
  chmodSync(at('file'), 0o600);
  assert.deepEqual(nodeAt('file', { previous }).extended_attributes, first.extended_attributes);
});

test('what cannot be read is reported, and thrown where nobody listens', () => {
  const stat = lstatFast(at('link'));
  const problems: string[] = [];
  const node = nodeOfStat(at('missing'), 'missing' as ByteString, stat, {
    onProblem: (error) => problems.push(errnoOf(error)),
  });
  assert.deepEqual(problems, ['ENOENT']);
  assert.equal(node.linktarget, undefined);
  assert.throws(
    () => nodeOfStat(at('missing'), 'missing' as ByteString, stat),
    (error) => errnoOf(error) === 'ENOENT',
  );
});
