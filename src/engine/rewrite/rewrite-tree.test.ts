import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { type ByteString, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { type Id, idOfBytes } from '../../model/id.ts';
import type { NodeType, TreeNode } from '../../model/node.ts';
import { encodeTree, parseTree } from '../../model/tree.ts';
import { createTreeRewriter, type TreeRewriteRules } from './rewrite-tree.ts';

/** Trees in memory, and how often each was read. */
function memory() {
  const blobs = new Map<Id, Buffer>();
  const reads: Id[] = [];
  const saveTree = (bytes: Uint8Array): { id: Id } => {
    const id = idOfBytes(createHash('sha256').update(bytes).digest());
    blobs.set(id, Buffer.from(bytes));
    return { id };
  };
  return {
    blobs,
    reads,
    saveTree,
    tree: (...nodes: TreeNode[]): Id => saveTree(encodeTree(nodes)).id,
    async loadBlob(_type: string, id: Id): Promise<Buffer> {
      reads.push(id);
      const found = blobs.get(id);
      if (!found) throw new LifeboatError('repository-damaged', `tree ${id} is lost`);
      return found;
    },
    /** Every path with its type below a tree. */
    paths(id: Id, prefix = ''): string[] {
      return parseTree(blobs.get(id)!).flatMap((node) => [
        `${prefix}/${node.name}`,
        ...(node.subtree ? this.paths(node.subtree, `${prefix}/${node.name}`) : []),
      ]);
    },
  };
}

const time = '2024-01-02T03:04:05Z';
function entry(name: string, type: NodeType, more: Partial<TreeNode> = {}): TreeNode {
  const base = { mode: 0o644, mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
  return { name: name as ByteString, type, ...base, content: type === 'file' ? [] : null, ...more };
}
const folder = (name: string, subtree: Id): TreeNode => entry(name, 'dir', { subtree });
const keepAll: TreeRewriteRules = { node: (node) => node, exact: true, memoised: true };
const lost = 'ab'.repeat(32) as Id;

describe('rewriting a tree', () => {
  test('in which nothing changes gives its own ID and stores nothing', async () => {
    const store = memory();
    const tree = store.tree(folder('d', store.tree(entry('a', 'file'))), entry('z', 'file'));
    const before = store.blobs.size;
    assert.equal(await createTreeRewriter(store, store, keepAll).rewrite(tree), tree);
    assert.equal(store.blobs.size, before);
  });

  test('drops what the rule drops, all the way up', async () => {
    const store = memory();
    const tree = store.tree(
      folder('d', store.tree(entry('a', 'file'), entry('b', 'file'))),
      entry('z', 'file'),
    );
    const seen: string[] = [];
    const outcome = await createTreeRewriter(store, store, {
      ...keepAll,
      node(node, path) {
        seen.push(toText(path));
        return path === '/d/a' ? null : node;
      },
    }).rewrite(tree);
    assert.deepEqual(store.paths(outcome!), ['/d', '/d/b', '/z']);
    assert.deepEqual(seen, ['/d', '/d/a', '/d/b', '/z']);
  });

  test('drops folders that became empty where they are not to be kept', async () => {
    const store = memory();
    const tree = store.tree(folder('d', store.tree(entry('a', 'file'))), entry('z', 'file'));
    const rules = { ...keepAll, node: (node: TreeNode) => (node.name === 'a' ? null : node) };
    const kept = await createTreeRewriter(store, store, rules).rewrite(tree);
    assert.deepEqual(store.paths(kept!), ['/d', '/z']);
    const dropped = await createTreeRewriter(store, store, {
      ...rules,
      keepEmptyFolder: () => false,
    }).rewrite(tree);
    assert.deepEqual(store.paths(dropped!), ['/z']);
    const none = { ...rules, node: () => null, keepEmptyFolder: () => false };
    assert.equal(await createTreeRewriter(store, store, none).rewrite(tree), null);
  });

  test('reads a tree that occurs often once where that is allowed', async () => {
    const store = memory();
    const shared = store.tree(entry('a', 'file'));
    const tree = store.tree(folder('x', shared), folder('y', shared));
    await createTreeRewriter(store, store, keepAll).rewrite(tree);
    assert.equal(store.reads.filter((id) => id === shared).length, 1);
    await createTreeRewriter(store, store, { ...keepAll, memoised: false }).rewrite(tree);
    assert.equal(store.reads.filter((id) => id === shared).length, 3);
  });

  test('stops at a tree that it would lose fields of, unless that is allowed', async () => {
    const store = memory();
    const bytes = Buffer.from(`{"nodes":[{"name":"a","type":"fifo","colour":"red"}]}\n`);
    const tree = store.saveTree(bytes).id;
    await assert.rejects(createTreeRewriter(store, store, keepAll).rewrite(tree), /without losing/);
    assert.equal(await createTreeRewriter(store, store, { ...keepAll, exact: false }).rewrite(tree), tree);
  });

  test('asks what stands in for a lost tree', async () => {
    const store = memory();
    const tree = store.tree(folder('d', lost), entry('e', 'dir'), entry('z', 'file'));
    await assert.rejects(createTreeRewriter(store, store, keepAll).rewrite(tree), /is lost/);
    const empty = await createTreeRewriter(store, store, { ...keepAll, unreadable: () => [] }).rewrite(tree);
    assert.deepEqual(store.paths(empty!), ['/d', '/e', '/z']);
    const gone = await createTreeRewriter(store, store, { ...keepAll, unreadable: () => null }).rewrite(tree);
    assert.deepEqual(store.paths(gone!), ['/z']);
  });

  test('never takes a storage that fails for a loss', async () => {
    const store = memory();
    const failing = {
      loadBlob: () => Promise.reject(new LifeboatError('storage-failed', 'the network is down')),
    };
    const rules = { ...keepAll, unreadable: () => [] };
    await assert.rejects(createTreeRewriter(failing, store, rules).rewrite(lost), /network is down/);
  });
});
