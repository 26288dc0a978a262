import { toText } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTree, treeOrderProblem, unsafeName } from '../../model/tree.ts';
import type { BlobTable } from '../index/table.ts';
import type { TreeFacts } from './protocol.ts';

/** Of one tree not more than this many problems are told, so that a hostile one cannot fill memory. */
const problemsPerTreeMax = 20;
const nullId = '0'.repeat(64);
const typesWithoutContent: readonly string[] = ['symlink', 'socket', 'chardev', 'dev', 'fifo'];

export interface TreeInspector {
  /** Looks into a tree whose hash is verified. */
  inspect(id: Id, bytes: Uint8Array): void;
  facts(): TreeFacts;
}

/**
 * Collects what trees refer to and what is wrong in them: the rules of restic internal/checker/checker.go
 * (checkTree), and what a restore would refuse: names that leave their folder, a wrong order.
 * @param withData whether to list data blobs; their presence in the index is checked either way.
 */
export function createTreeInspector(table: BlobTable, withData: boolean): TreeInspector {
  const trees: number[] = [];
  const references: number[] = [];
  const problems: { tree: number; message: string }[] = [];
  const idBytes = Buffer.alloc(32);
  let current = 0;
  let told = 0;
  let subtrees: number[] = [];
  let data: number[] = [];

  function entryOf(type: 'data' | 'tree', id: Id): number {
    idBytes.write(id, 'hex');
    return table.find(type, idBytes);
  }

  function tell(message: string): void {
    told++;
    if (told <= problemsPerTreeMax) problems.push({ tree: current, message });
  }

  function inspectFile(node: TreeNode, content: readonly Id[]): void {
    for (let n = 0; n < content.length; n++) {
      const id = content[n]!;
      const entry = entryOf('data', id);
      if (entry >= 0) {
        if (withData) data.push(entry);
      } else if (id === nullId) tell(`file ${quoted(node)}: its blob ${n} has the null ID`);
      else tell(`file ${quoted(node)}: blob ${id} is not in the index`);
    }
  }

  function inspectNode(node: TreeNode): void {
    const { type, content, subtree } = node;
    if (type === 'file') {
      if (content === null) tell(`file ${quoted(node)} has no list of blobs`);
      else inspectFile(node, content);
    } else if (type === 'dir') {
      const entry = subtree === undefined ? -1 : entryOf('tree', subtree);
      if (entry >= 0) subtrees.push(entry);
      else if (subtree === undefined || subtree === nullId) tell(`folder ${quoted(node)} has no tree`);
      else tell(`folder ${quoted(node)}: tree ${subtree} is not in the index`);
    } else if (!typesWithoutContent.includes(type)) {
      tell(`entry ${quoted(node)} has the invalid type ${JSON.stringify(type)}`);
    }
    const unsafe = unsafeName(node.name);
    if (unsafe) tell(`entry ${quoted(node)} has a name that ${unsafe}`);
  }

  return {
    inspect(id, bytes) {
      current = entryOf('tree', id);
      told = 0;
      subtrees = [];
      data = [];
      try {
        const nodes = parseTree(bytes);
        for (const node of nodes) inspectNode(node);
        const order = treeOrderProblem(nodes);
        if (order) tell(`its entries are not in order: ${order}`);
      } catch (error) {
        tell(messageOf(error));
      }
      if (told > problemsPerTreeMax)
        problems.push({ tree: current, message: `and ${told - problemsPerTreeMax} problems more` });
      trees.push(current);
      references.push(subtrees.length);
      for (const entry of subtrees) references.push(entry);
      references.push(data.length);
      for (const entry of data) references.push(entry);
    },
    facts: () => ({ trees: Int32Array.from(trees), references: Int32Array.from(references), problems }),
  };
}

const quoted = (node: TreeNode): string => JSON.stringify(toText(node.name));
