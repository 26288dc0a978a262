import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';
import { formatPosixAcl } from './posix-acl.ts';
import { blockBytes, padding, tarHeader } from './tar-header.ts';

const node = (changes: Partial<TreeNode> = {}): TreeNode => ({
  name: 'a' as ByteString,
  type: 'file',
  mode: 0o644,
  mtime: '2026-01-02T03:04:05Z',
  atime: '2026-01-02T03:04:05Z',
  ctime: '2026-01-02T03:04:05Z',
  uid: 1000,
  gid: 100,
  user: 'user',
  group: 'users',
  content: [],
  ...changes,
});

const headerOf = (path: string, given: TreeNode, size = 0): Buffer =>
  tarHeader({ type: 'file', path: path as ByteString, node: given, target: '' as ByteString, size });

/** Records of a pax header by their keys, in bytes. */
function recordsOf(header: Buffer): Map<string, string> {
  assert.equal(header.toString('latin1', 156, 157), 'x');
  const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
  let rest = header.toString('latin1', blockBytes, blockBytes + size);
  const records = new Map<string, string>();
  while (rest !== '') {
    const length = Number.parseInt(rest, 10);
    const record = rest.slice(rest.indexOf(' ') + 1, length);
    assert.ok(record.endsWith('\n'));
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    rest = rest.slice(length);
  }
  return records;
}

describe('a tar header', () => {
  test('is one block where everything fits, with a checksum over it', () => {
    const header = headerOf('etc/fstab', node(), 42);
    assert.equal(header.length, blockBytes);
    assert.equal(header.toString('latin1', 0, 10), 'etc/fstab\0');
    assert.equal(header.toString('latin1', 100, 107), '0000644');
    assert.equal(header.toString('latin1', 124, 135), '00000000052');
    assert.equal(header.toString('latin1', 257, 265), 'ustar\x0000');
    const stated = Number.parseInt(header.toString('latin1', 148, 154), 8);
    const zeroed = Buffer.from(header).fill(' ', 148, 156);
    assert.equal(
      stated,
      zeroed.reduce((sum, byte) => sum + byte, 0),
    );
  });

  test('keeps long names and names that are no text in records, byte for byte', () => {
    const broken = '\xff\xfe\xc3\xbc';
    assert.equal(recordsOf(headerOf(broken, node())).get('path'), broken);
    const long = `${'d/'.repeat(80)}f`;
    assert.equal(recordsOf(headerOf(long, node())).get('path'), long);
  });

  test('keeps fractions of seconds, times before 1970 and sizes and owners beyond the old limits', () => {
    const early = recordsOf(headerOf('f', node({ mtime: '1969-12-31T23:59:58.75Z' })));
    assert.equal(early.get('mtime'), '-1.25');
    const large = recordsOf(
      headerOf('f', node({ uid: 4_000_000_000, mtime: '2026-01-02T03:04:05.5Z' }), 2 ** 40),
    );
    assert.equal(large.get('uid'), '4000000000');
    assert.equal(large.get('size'), String(2 ** 40));
    assert.equal(large.get('mtime'), '1767323045.5');
  });

  test('holds attributes, and access control lists as text', () => {
    const acl = Buffer.from(
      '0200000001000700ffffffff02000600d2040000040005000000000010000700000000002000000000000000',
      'hex',
    );
    const records = recordsOf(
      headerOf(
        'f',
        node({
          extended_attributes: [
            { name: 'user.a', value: Buffer.from([0, 255, 10]) },
            { name: 'system.posix_acl_access', value: acl },
          ],
        }),
      ),
    );
    assert.equal(records.get('SCHILY.xattr.user.a'), '\x00\xff\n');
    assert.equal(
      records.get('SCHILY.acl.access'),
      'user::rwx\nuser:1234:rw-\ngroup::r-x\nmask::rwx\nother::---\n',
    );
    assert.equal(formatPosixAcl(Buffer.from('01', 'hex')), null);
  });

  test('is followed by content in full blocks', () => {
    assert.equal(padding(0).length, 0);
    assert.equal(padding(1).length, 511);
    assert.equal(padding(512).length, 0);
  });
});
