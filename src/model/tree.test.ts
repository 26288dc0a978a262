import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../core/bytestring.ts';
import { LifeboatError } from '../core/errors.ts';
import type { Id } from './id.ts';
import type { NodeType, TreeNode, U64 } from './node.ts';
import { encodeNode, encodeTree, parseTree, treeOrderProblem, unsafeName } from './tree.ts';

const vectors = new URL('../../test/vectors/trees/', import.meta.url);
const bytesOf = (text: string): ByteString => Buffer.from(text, 'utf8').toString('latin1') as ByteString;
const time = '2026-03-01T12:00:00.5+01:00';

function node(more: Partial<TreeNode> = {}): TreeNode {
  const base = {
    name: bytesOf('a'),
    type: 'file',
    mode: 420,
    mtime: time,
    atime: time,
    ctime: time,
  } as const;
  return { ...base, uid: 0, gid: 0, content: [], ...more };
}

function tree(member: string): Buffer {
  return Buffer.from(`{"nodes":[{"name":"a","type":"file",${member}}]}\n`, 'utf8');
}

const u64: fc.Arbitrary<U64> = fc.oneof(
  fc.nat(),
  fc
    .bigInt({ min: 0n, max: 2n ** 64n - 1n })
    .map((value) => (value <= 2n ** 53n - 1n ? Number(value) : value)),
);
const id = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as Id);
const someBytes = fc
  .uint8Array({ minLength: 1, maxLength: 30 })
  .map((bytes) => Buffer.from(bytes).toString('latin1') as ByteString);
const times = fc.constantFrom(time, '0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999-11:30');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const anyNode: fc.Arbitrary<TreeNode> = fc
  .record({
    name: someBytes,
    type: fc.constantFrom<NodeType>(
      'file',
      'dir',
      'symlink',
      'dev',
      'chardev',
      'fifo',
      'socket',
      'irregular',
      '',
    ),
    mode: fc.nat({ max: 0xffffffff }),
    mtime: times,
    atime: times,
    ctime: times,
    uid: fc.nat({ max: 0xffffffff }),
    gid: fc.nat({ max: 0xffffffff }),
    user: maybe(fc.string({ minLength: 1, unit: 'binary' })),
    group: maybe(fc.string({ minLength: 1 })),
    inode: maybe(u64),
    device_id: maybe(u64),
    size: maybe(u64),
    links: maybe(u64),
    linktarget: maybe(someBytes),
    extended_attributes: maybe(
      fc.array(
        fc.record(
          {
            name: fc.string({ unit: 'binary' }),
            value: fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
          },
          { noNullPrototype: true },
        ),
        { minLength: 1, maxLength: 3 },
      ),
    ),
    generic_attributes: maybe(
      fc.dictionary(fc.string({ minLength: 1 }), fc.json({ maxDepth: 2 }), {
        minKeys: 1,
        maxKeys: 3,
        noNullPrototype: true,
      }),
    ),
    device: maybe(u64),
    content: fc.option(fc.array(id, { maxLength: 3 })),
    subtree: maybe(id),
    error: maybe(fc.string({ minLength: 1 })),
  })
  .map(
    (fields) =>
      Object.fromEntries(
        Object.entries(fields).filter(([, value]) => value !== undefined),
      ) as unknown as TreeNode,
  );

/** What the format drops: zeros; and how it spells raw JSON. */
function stored(original: TreeNode): Record<string, unknown> {
  const entries = Object.entries(original).filter(
    ([key, value]) => !(['inode', 'device_id', 'size', 'links', 'device'].includes(key) && !value),
  );
  const { generic_attributes: generic, ...rest } = Object.fromEntries(entries) as Record<string, unknown>;
  if (generic === undefined) return rest;
  const values = Object.entries(generic as Record<string, string>).map(([key, raw]) => [
    key,
    JSON.parse(raw),
  ]);
  return { ...rest, generic_attributes: Object.fromEntries(values) };
}

test('a tree of restic 0.19 with every kind of name and node is written again byte for byte', () => {
  const bytes = readFileSync(new URL('restic-0.19.tree', vectors));
  const nodes = parseTree(bytes);
  assert.equal(nodes.length, 56);
  assert.equal(treeOrderProblem(nodes), null);
  assert.deepEqual(encodeTree(nodes), bytes);
  assert.equal(nodes.find(({ name }) => name === 'linkraw')?.linktarget, '\xff<target>\n"');
});

test('a tree of restic 0.14 differs only where that version lost bytes or its Go wrote otherwise', () => {
  const bytes = readFileSync(new URL('restic-0.14.tree', vectors));
  const before = bytes
    .toString('latin1')
    .replace(/[\]}\n]+$/, '')
    .split('},{"name"');
  const after = encodeTree(parseTree(bytes))
    .toString('latin1')
    .replace(/[\]}\n]+$/, '')
    .split('},{"name"');
  assert.equal(after.length, before.length);
  const changed = before.filter((text, i) => text !== after[i]);
  // A target that is not UTF-8 without linktarget_raw; \u0008 for \b; a name with characters of Unicode 14.
  assert.deepEqual(
    changed.map((text) => text.slice(0, 7)),
    [':"linkr', ':"linku', ':"u14\\\\'],
  );
});

test('any nodes survive encoding and parsing, and are encoded the same again', () => {
  fc.assert(
    fc.property(fc.array(anyNode, { maxLength: 5 }), (nodes) => {
      const bytes = encodeTree(nodes);
      const parsed = parseTree(bytes);
      assert.deepEqual(parsed.map(stored), nodes.map(stored));
      assert.deepEqual(encodeTree(parsed), bytes);
    }),
  );
});

test('nodes are valid JSON in Go order, with zeros left out', () => {
  assert.equal(
    encodeNode(node({ inode: 2n ** 64n - 1n, links: 0, user: 'ü<' })),
    bytesOf(
      `{"name":"a","type":"file","mode":420,"mtime":"${time}","atime":"${time}","ctime":"${time}","uid":0,"gid":0,` +
        '"user":"ü\\u003c","inode":18446744073709551615,"content":[]}',
    ),
  );
  assert.equal(encodeTree([]).toString(), '{"nodes":[]}\n');
});

test('raw attributes are compacted and escaped as Go does', () => {
  const text = encodeNode(node({ generic_attributes: { b: '{ "x": "a <\\" b" }', a: ' [1, 2]\n' } }));
  assert.match(text, /"generic_attributes":\{"a":\[1,2\],"b":\{"x":"a \\u003c\\" b"\}\}/);
});

test('unknown, missing and null fields are tolerated in any order and with white space', () => {
  const text = ` { "x" : [ {} , [ ] , {"a":[1,-2.5e3,true]} ], "nodes" : [ { "mode" : null , "future" : { "a" : [ null ] } ,
    "size" : 18446744073709551615 , "n\\u0061me" : "b" , "content" : [ ] , "user" : null } , {} ] , "y" : "z" } `;
  const [first, second] = parseTree(Buffer.from(text));
  assert.equal(first?.name, 'b');
  assert.equal(first?.size, 18446744073709551615n);
  assert.deepEqual(first?.content, []);
  assert.equal(second?.name, '');
  assert.equal(second?.content, null);
  assert.deepEqual(parseTree(Buffer.from('{"nodes":null}')), []);
});

test('a name equal to its neighbour with quotes inside is not mistaken', () => {
  const text = '{"nodes":[{"name":"a","user":"a\\",\\"group\\":\\"x"},{"name":"b","user":"a","group":"x"}]}';
  const [first, second] = parseTree(Buffer.from(text));
  assert.equal(first?.user, 'a","group":"x');
  assert.equal(second?.user, 'a');
  assert.equal(second?.group, 'x');
});

test('numbers keep all 64 bits', () => {
  assert.equal(parseTree(tree('"inode":9007199254740991'))[0]?.inode, 9007199254740991);
  assert.equal(parseTree(tree('"inode":9007199254740993'))[0]?.inode, 9007199254740993n);
});

test('damage is named with its position', () => {
  const damaged = [
    '',
    '{',
    '[]',
    '{}',
    '{"nodes":[',
    '{"nodes":[{}',
    '{"nodes":[{},]}',
    '{"nodes":[null]}',
    '{"nodes":{}}',
    '{"nodes":[{}]',
  ].map((text) => Buffer.from(text));
  const members = [
    '"size":-1',
    '"size":1.5',
    '"size":18446744073709551616',
    '"size":"1"',
    '"uid":4294967296',
    '"mtime":"x"',
    '"content":[1]',
    '"content":["abcd"]',
    `"subtree":"${'g'.repeat(64)}"`,
    '"name":"\\\\q"',
    '"name":"a',
    '"future":{',
    '"future":[1,]',
    '"future":{"a"}',
    '"future":{"a":}',
    '"future":tru',
    '"linktarget_raw":"*"',
    '"user":"\u0001"',
    '"size":01',
    '"mode":nul',
  ];
  for (const bytes of [...damaged, ...members.map(tree)]) {
    assert.throws(
      () => parseTree(bytes),
      (error) =>
        error instanceof LifeboatError &&
        error.code === 'repository-damaged' &&
        /at byte \d+: /.test(error.message),
      bytes.toString(),
    );
  }
});

test('deep nesting is refused and not a crash', () => {
  assert.throws(() => parseTree(tree(`"future":${'['.repeat(200_000)}`)), LifeboatError);
  assert.equal(parseTree(tree(`"future":${'['.repeat(5000)}${']'.repeat(5000)}`)).length, 1);
});

test('cut or altered trees never crash the parser', () => {
  const bytes = encodeTree([
    node({ linktarget: bytesOf('ü"'), extended_attributes: [{ name: 'user.a', value: Buffer.from('b') }] }),
  ]);
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), fc.boolean(), (at, byte, cut) => {
      const altered = Buffer.from(cut ? bytes.subarray(0, at) : bytes);
      if (!cut) altered[at] = byte;
      try {
        parseTree(altered);
      } catch (error) {
        assert.ok(error instanceof LifeboatError);
      }
    }),
  );
});

test('names must rise by bytes, not by UTF-16', () => {
  const names = (...list: string[]): TreeNode[] => list.map((name) => node({ name: bytesOf(name) }));
  assert.equal(treeOrderProblem(names('a', 'b', '\uff5e', '😀')), null);
  assert.match(treeOrderProblem(names('😀', '\uff5e')) ?? '', /comes after/);
  assert.match(treeOrderProblem(names('a', 'a')) ?? '', /twice/);
});

test('names that would leave their directory are told', () => {
  for (const name of ['', '.', '..', 'a/b', '/', 'a\0b']) assert.notEqual(unsafeName(name), null, name);
  for (const name of ['a', '...', '-', ' ', '\xff']) assert.equal(unsafeName(name), null, name);
});

test('encoded trees share no memory', () => {
  const first = encodeTree([node()]);
  const copy = Buffer.from(first);
  encodeTree([node({ name: bytesOf('zzz') })]);
  assert.deepEqual(first, copy);
  assert.equal(first.buffer.byteLength, first.length);
});
