import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ByteString, bytesOfText, joinPath } from '../../core/bytestring.ts';
import { errnoOf, hasCode } from '../../core/errors.ts';
import type { TreeNode } from '../../model/node.ts';
import { listXattrs, lstatFast, setXattr } from '../../transport/posix.ts';
import { nodeOfStat } from './metadata.ts';
import { applyMetadata, createSpecial } from './restore-metadata.ts';

const isRoot = process.geteuid?.() === 0;
let folder: ByteString;
const at = (name: string): ByteString => joinPath(folder, name as ByteString);
const nodeAt = (name: string): TreeNode =>
  nodeOfStat(at(name), name as ByteString, lstatFast(at(name)), { withAtime: true });

function nodeOf(more: Partial<TreeNode>): TreeNode {
  const time = '2001-02-03T04:05:06.123456789Z';
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const base = {
    name: 'x' as ByteString,
    type: 'file',
    mode: 0o600,
    mtime: time,
    atime: time,
    ctime: time,
    uid,
    gid,
    content: null,
  } as const;
  return { ...base, ...more };
}

/** Everything but what only the kernel sets. */
function comparable({ name: _name, ctime: _ctime, inode: _inode, ...rest }: TreeNode): unknown {
  return rest;
}

before(() => {
  folder = bytesOfText(mkdtempSync(join(tmpdir(), 'restore-metadata-')));
});
after(() => rmSync(folder, { recursive: true }));

test('metadata read from one file and applied to another is the same', () => {
  writeFileSync(at('from'), '');
  setXattr(at('from'), 'user.kept' as ByteString, Buffer.from('value'));
  spawnSync('setfacl', ['-m', 'u:1234:rwx', at('from')]);
  chmodSync(at('from'), 0o6751);
  const wanted: TreeNode = {
    ...nodeAt('from'),
    atime: nodeOf({}).atime,
    mtime: '1999-12-31T23:59:59.000000001Z',
    ...(isRoot ? { uid: 12_345, gid: 54_321, user: '', group: '' } : {}),
  };
  writeFileSync(at('to'), '');
  setXattr(at('to'), 'user.stale' as ByteString, Buffer.from('value'));
  assert.deepEqual(applyMetadata(at('to'), wanted, { owner: 'numeric' }), []);
  const got = nodeAt('to');
  const instants = (node: TreeNode) => [Date.parse(node.atime), Date.parse(node.mtime)];
  assert.deepEqual(instants(got), instants(wanted));
  assert.deepEqual(
    comparable({ ...got, atime: '', mtime: '' }),
    comparable({ ...wanted, atime: '', mtime: '' }),
  );
  assert.equal(lstatFast(at('to')).mtimeNsec, 1);
});

test('attributes that are not selected are neither set nor removed', (t) => {
  writeFileSync(at('some'), '');
  if (!setXattr(at('some'), 'user.other' as ByteString, Buffer.from('stays'))) {
    t.skip('needs a filesystem with extended attributes');
    return;
  }
  const extended_attributes = [
    { name: 'user.wanted', value: Buffer.from('1') },
    { name: 'user.unwanted', value: null },
  ];
  const selectXattr = (name: string) => name === 'user.wanted';
  applyMetadata(at('some'), nodeOf({ extended_attributes }), { owner: 'numeric', selectXattr });
  assert.deepEqual(listXattrs(at('some')).sort(), ['user.other', 'user.wanted']);
});

test('links, fifos and devices take the place of what is there', { skip: !isRoot && 'needs root' }, () => {
  const specials: readonly (readonly [string, Partial<TreeNode>])[] = [
    ['link', { type: 'symlink', linktarget: '\xff/gone' as ByteString }],
    ['fifo', { type: 'fifo' }],
    ['chardev', { type: 'chardev', device: 259 }],
    ['blockdev', { type: 'dev', device: 2049 }],
  ];
  for (const [name, more] of specials) {
    const node = nodeOf(more);
    for (const prepare of [
      () => rmSync(at(name), { force: true }),
      () => writeFileSync(at(name), ''),
      () => mkdirSync(at(name)),
    ]) {
      rmSync(at(name), { force: true, recursive: true });
      prepare();
      assert.equal(createSpecial(at(name), node), true);
      assert.deepEqual(applyMetadata(at(name), node, { owner: 'numeric' }), []);
      const got = nodeAt(name);
      assert.deepEqual([got.type, got.device, got.linktarget], [node.type, node.device, node.linktarget]);
      assert.equal(lstatFast(at(name)).mtimeNsec, 123_456_789);
    }
  }
  assert.deepEqual(readlinkSync(at('link'), 'buffer'), Buffer.from('\xff/gone', 'latin1'));
});

test('a directory with entries is not removed for a symlink', () => {
  mkdirSync(at('full'));
  writeFileSync(at('full/file'), '');
  const node = nodeOf({ type: 'symlink', linktarget: 'x' as ByteString });
  assert.throws(
    () => createSpecial(at('full'), node),
    (error) => errnoOf(error) === 'ENOTEMPTY',
  );
});

test('sockets are left out, unknown types refused', () => {
  assert.equal(createSpecial(at('socket'), nodeOf({ type: 'socket' })), false);
  assert.throws(
    () => createSpecial(at('odd'), nodeOf({ type: 'irregular' })),
    (error) => hasCode(error, 'tree-unsafe'),
  );
});

test('each step that fails is reported and the others are done', () => {
  const problems = applyMetadata(at('missing'), nodeOf({}), { owner: 'numeric' });
  assert.deepEqual(
    problems.map(({ what }) => what),
    ['owner', 'extended attributes', 'times', 'permissions'],
  );
  writeFileSync(at('bad-time'), '');
  const [problem] = applyMetadata(at('bad-time'), nodeOf({ mtime: 'never', mode: 0o400 }), {
    owner: 'numeric',
  });
  assert.equal(problem?.what, 'times');
  assert.equal(lstatFast(at('bad-time')).mode & 0o777, 0o400);
});

test('owners go by name when asked, unknown names to root as in restic', {
  skip: !isRoot && 'needs root',
}, () => {
  writeFileSync(at('named'), '');
  lchownSync(at('named'), 5, 5);
  applyMetadata(at('named'), nodeOf({ uid: 77, gid: 77, user: 'root', group: 'no-such-group-here' }), {
    owner: 'names',
  });
  const { uid, gid } = lstatSync(at('named'));
  assert.deepEqual([uid, gid], [0, 0]);
});
