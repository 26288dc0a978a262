import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ByteString, bytesOfText, joinPath, toPath } from '../../src/core/bytestring.ts';
import type { TreeNode } from '../../src/model/node.ts';
import { encodeNode, encodeTree, parseTree, treeOrderProblem } from '../../src/model/tree.ts';
import { nodeOfStat } from '../../src/sources/files/metadata.ts';
import { lstatFast } from '../../src/transport/posix.ts';

/** The nodes of a folder as Lifeboat makes them, with the data that restic stored. */
function nodesOf(folder: ByteString, stored: readonly TreeNode[]): TreeNode[] {
  const known = new Map(stored.map((node) => [node.name, node]));
  const nodes: TreeNode[] = [];
  for (const name of (readdirSync(toPath(folder), 'latin1') as ByteString[]).sort()) {
    const path = joinPath(folder, name);
    const node = nodeOfStat(path, name, lstatFast(path));
    if (node.type === 'socket') continue;
    const { content = null, subtree } = known.get(name) ?? {};
    nodes.push({ ...node, content, ...(subtree === undefined ? {} : { subtree }) });
  }
  return nodes;
}

/**
 * Backs a folder up with restic and asserts that the trees Lifeboat would write for it, given the same data
 * blobs, are those very bytes, in every directory; and that what restic wrote is encoded again unchanged.
 * @returns how many trees were compared.
 */
export function assertSameTrees(program: string, repository: string, folder: string): number {
  const restic = (...args: string[]): Buffer =>
    execFileSync(program, ['--no-cache', '-q', '-r', repository, ...args], {
      cwd: dirname(folder),
      env: { ...process.env, RESTIC_PASSWORD: 'of a test' },
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'inherit'],
    });

  function compare(id: string | undefined, path: ByteString): number {
    const bytes = restic('cat', 'blob', id ?? 'missing');
    const stored = parseTree(bytes);
    assert.equal(treeOrderProblem(stored), null);
    assert.ok(encodeTree(stored).equals(bytes), 'a parsed tree is encoded the same again');
    const nodes = nodesOf(path, stored);
    assert.deepEqual(nodes.map(encodeNode), stored.map(encodeNode));
    assert.ok(encodeTree(nodes).equals(bytes));
    const folders = stored.filter(({ type }) => type === 'dir');
    return folders.reduce((sum, { name, subtree }) => sum + compare(subtree, joinPath(path, name)), 1);
  }

  restic('init');
  restic('backup', folder.slice(dirname(folder).length + 1));
  const [snapshot] = JSON.parse(restic('snapshots', '--json').toString());
  const [top] = parseTree(restic('cat', 'blob', snapshot.tree));
  return compare(top?.subtree, bytesOfText(folder));
}
