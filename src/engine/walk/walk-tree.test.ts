import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ByteString } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { findSubtree, type TreeSource, treeDepthMax, walkTree } from './walk-tree.ts';

const idOf = (text: string): Id => Buffer.from(text).toString('hex').padEnd(64, '0') as Id;

const entry = (name: string, subtree?: string): TreeNode => ({
  name: name as ByteString,
  type: subtree === undefined ? 'file' : 'dir',
  mode: 0,
  mtime: '',
  atime: '',
  ctime: '',
  uid: 0,
  gid: 0,
  content: null,
  ...(subtree === undefined ? {} : { subtree: idOf(subtree) }),
});

/** Trees by name; counts how often each is loaded. */
function sourceOf(trees: Record<string, TreeNode[]>): TreeSource & { loads: Map<Id, number> } {
  const byId = new Map(Object.entries(trees).map(([name, nodes]) => [idOf(name), nodes]));
  const loads = new Map<Id, number>();
  return {
    loads,
    async loadTree(id) {
      loads.set(id, (loads.get(id) ?? 0) + 1);
      const nodes = byId.get(id);
      if (!nodes) throw new LifeboatError('repository-damaged', `no tree ${id}`);
      return nodes;
    },
  };
}

const family = {
  root: [entry('a', 'A'), entry('b', 'B'), entry('c', 'C'), entry('d')],
  A: [entry('x'), entry('y', 'Y')],
  Y: [entry('deep')],
  B: [],
  C: [entry('z')],
};

describe('a walk', () => {
  test('meets every entry before what is below it, and leaves folders after it', async () => {
    const seen: string[] = [];
    await walkTree(sourceOf(family), idOf('root'), {
      enter: (path) => void seen.push(path),
      leave: (path) => void seen.push(`-${path}`),
    });
    assert.deepEqual(seen, [
      '/a',
      '/a/x',
      '/a/y',
      '/a/y/deep',
      '-/a/y',
      '-/a',
      '/b',
      '-/b',
      '/c',
      '/c/z',
      '-/c',
      '/d',
    ]);
  });

  test('does not go where the visitor skips, and loads each tree once', async () => {
    const source = sourceOf(family);
    const seen: string[] = [];
    await walkTree(source, idOf('root'), {
      async enter(path) {
        seen.push(path);
        return path === '/a' ? 'skip' : undefined;
      },
    });
    assert.deepEqual(seen, ['/a', '/b', '/c', '/c/z', '/d']);
    assert.equal(source.loads.get(idOf('A')), undefined);
    assert.ok([...source.loads.values()].every((times) => times === 1));
  });

  test('ends where the visitor says so', async () => {
    const seen: string[] = [];
    await walkTree(sourceOf(family), idOf('root'), {
      enter(path) {
        seen.push(path);
        return path === '/a/y' ? 'stop' : undefined;
      },
    });
    assert.deepEqual(seen, ['/a', '/a/x', '/a/y']);
  });

  test('names entries below where it starts', async () => {
    const seen: string[] = [];
    await walkTree(
      sourceOf(family),
      idOf('A'),
      { enter: (path) => void seen.push(path) },
      { at: '/base' as ByteString },
    );
    assert.deepEqual(seen, ['/base/x', '/base/y', '/base/y/deep']);
  });

  test('refuses a tree that contains itself', async () => {
    const source = sourceOf({ root: [entry('a', 'A')], A: [entry('again', 'root')] });
    await assert.rejects(walkTree(source, idOf('root'), { enter: () => undefined }), {
      code: 'tree-unsafe',
      message: `tree ${idOf('root')} at /a/again contains itself`,
    });
  });

  test('refuses trees nested without end', async () => {
    let made = 0;
    const source: TreeSource = {
      loadTree: async () => [entry('d', `n${made++}`)],
    };
    await assert.rejects(walkTree(source, idOf('root'), { enter: () => undefined }), { code: 'tree-unsafe' });
    assert.equal(made, treeDepthMax);
  });

  test('goes on without a tree that cannot be read where the visitor wants that', async () => {
    const { Y, ...rest } = family;
    assert.ok(Y);
    const source = sourceOf({ ...rest, C: [{ ...entry('lost', 'C'), subtree: undefined } as never] });
    const problems: string[] = [];
    const seen: string[] = [];
    await walkTree(source, idOf('root'), {
      enter: (path) => void seen.push(path),
      unreadable: (path, tree, error) => void problems.push(`${path} ${tree.slice(0, 2)} ${error.code}`),
    });
    assert.deepEqual(problems, ['/a/y 59 repository-damaged', '/c/lost 43 repository-damaged']);
    assert.deepEqual(seen, ['/a', '/a/x', '/a/y', '/b', '/c', '/c/lost', '/d']);
    await assert.rejects(walkTree(source, idOf('root'), { enter: () => undefined }), {
      code: 'repository-damaged',
    });
  });

  test('ends with the reason of its signal', async () => {
    const signal = AbortSignal.abort(new LifeboatError('cancelled', 'enough'));
    await assert.rejects(walkTree(sourceOf(family), idOf('root'), { enter: () => undefined }, { signal }), {
      code: 'cancelled',
    });
  });
});

describe('a subfolder', () => {
  test('is found by its path', async () => {
    const source = sourceOf(family);
    assert.equal(await findSubtree(source, idOf('root'), '' as ByteString), idOf('root'));
    assert.equal(await findSubtree(source, idOf('root'), '/' as ByteString), idOf('root'));
    assert.equal(await findSubtree(source, idOf('root'), 'a/y/' as ByteString), idOf('Y'));
  });

  test('that is a file or absent is an error that names it', async () => {
    const source = sourceOf(family);
    await assert.rejects(findSubtree(source, idOf('root'), '/a/x' as ByteString), {
      code: 'path-missing',
      message: '/a/x is not a folder',
    });
    await assert.rejects(findSubtree(source, idOf('root'), '/a/q/r' as ByteString), {
      code: 'path-missing',
      message: '/a/q is not in the snapshot',
    });
  });
});
