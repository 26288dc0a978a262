import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { type Id, idOfBytes } from '../../model/id.ts';
import type { NodeType, TreeNode } from '../../model/node.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { encodeTree, parseTree } from '../../model/tree.ts';
import { compileFilter } from '../../policy/filter.ts';
import { planRewrite, type RewritePlan, type RewriteRequest } from './rewrite-snapshot.ts';

const blobs = new Map<Id, Buffer>();
const saveTree = (bytes: Uint8Array): { id: Id } => {
  const id = idOfBytes(createHash('sha256').update(bytes).digest());
  blobs.set(id, Buffer.from(bytes));
  return { id };
};
const trees = { reader: { loadBlob: async (_: string, id: Id) => blobs.get(id)! }, saver: { saveTree } };

const time = '2024-01-02T03:04:05Z';
const entry = (name: string, type: NodeType, more: Partial<TreeNode>): TreeNode => {
  const base = { mode: 0o644, mtime: time, atime: time, ctime: time, uid: 0, gid: 0, content: null };
  return { ...base, name: name as ByteString, type, ...more };
};
const file = (name: string, size: number): TreeNode => entry(name, 'file', { size, content: [] });
const folder = (name: string, ...nodes: TreeNode[]): TreeNode =>
  entry(name, 'dir', { subtree: saveTree(encodeTree(nodes)).id });

const tree = saveTree(
  encodeTree([folder('d', file('a', 3), file('b', 4)), folder('empty'), file('z', 5)]),
).id;
const snapshot: StoredSnapshot = {
  id: 'ab'.repeat(32) as Id,
  time,
  tree,
  paths: ['/'],
  hostname: 'h',
  tags: ['t'],
};
const nothing: RewriteRequest = {
  exclude: [],
  include: [],
  host: null,
  time: null,
  summarise: false,
  addTag: 'rewrite',
};
const filter = (...patterns: string[]) => [compileFilter(patterns.map(bytesOfText))];
const plan = (request: Partial<RewriteRequest>, of = snapshot): Promise<RewritePlan> =>
  planRewrite(of, { ...nothing, ...request }, trees, new AbortController().signal);

async function changed(request: Partial<RewriteRequest>) {
  const made = await plan(request);
  assert.ok(made.kind === 'changed');
  return made.snapshot;
}
const namesIn = (id: Id | undefined): string[] =>
  parseTree(blobs.get(id!)!).flatMap(({ name, subtree }) => [
    name,
    ...(subtree ? namesIn(subtree).map((below) => `${name}/${below}`) : []),
  ]);

describe('rewriting a snapshot', () => {
  test('leaves out what matches, counts what is left, and names where it comes from', async () => {
    const made = await changed({ exclude: filter('/d/a') });
    assert.deepEqual(namesIn(made.tree), ['d', 'd/b', 'empty', 'z']);
    const { total_files_processed: files, total_bytes_processed: bytes } = made.summary!;
    assert.deepEqual([files, bytes], [2, 9]);
    assert.equal(made.original, snapshot.id);
    assert.deepEqual(made.tags, ['t', 'rewrite']);
  });

  test('keeps only what is included, with the folders on the way to it', async () => {
    assert.deepEqual(namesIn((await changed({ include: filter('/d/a') })).tree), ['d', 'd/a']);
    assert.deepEqual(namesIn((await changed({ include: filter('empty') })).tree), ['empty']);
    assert.deepEqual(await plan({ include: filter('no such') }), { kind: 'unchanged' });
  });

  test('keeps folders that excluding has emptied', async () => {
    assert.deepEqual(namesIn((await changed({ exclude: filter('/d/*', 'z') })).tree), ['d', 'empty']);
  });

  test('changes host and time without looking into trees', async () => {
    const request = { ...nothing, host: 'i', time: '2025-01-01T00:00:00Z', addTag: null };
    const made = await planRewrite(snapshot, request, null, new AbortController().signal);
    const { id, ...rest } = snapshot;
    assert.deepEqual(made, {
      kind: 'changed',
      snapshot: { ...rest, hostname: 'i', time: request.time, original: id },
    });
  });

  test('is nothing where tree and counts stay the same', async () => {
    const counted = { ...(await changed({ summarise: true })), id: snapshot.id };
    assert.equal(counted.summary?.total_bytes_processed, 12);
    assert.deepEqual(await plan({ summarise: true }, counted), { kind: 'unchanged' });
    assert.deepEqual(await plan({ exclude: filter('no such') }, counted), { kind: 'unchanged' });
  });

  test('refuses a snapshot without a tree', async () => {
    const { tree: _, ...without } = snapshot;
    await assert.rejects(plan({ host: 'i' }, without), { code: 'repository-damaged' });
  });
});
