import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { encodeTree, parseTree, treeOrderProblem } from '../../model/tree.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';

/**
 * Walks a tree from its root and writes it anew where something in it is replaced or dropped (the idea of
 * restic internal/walker/rewriter.go). Trees in which nothing changes keep their ID and are not stored again.
 */

/** Where new trees go: a blob store, or the memory of a plan. */
export interface TreeSaver {
  saveTree(bytes: Uint8Array): { readonly id: Id };
}

export interface TreeRewriteRules {
  /** The same node keeps it, another one replaces it, null drops it. Nodes must not be changed in place. */
  node(node: TreeNode, path: ByteString): TreeNode | null;
  /** Asked with all nodes of a folder before `node`; returns the same list to keep it. */
  nodes?(nodes: readonly TreeNode[], path: ByteString): readonly TreeNode[];
  /** Whether a folder stays in which nothing is left. Default: it does. */
  keepEmptyFolder?(path: ByteString): boolean;
  /**
   * What stands in for a tree that is damaged or missing; null drops its folder. Default: the error is thrown.
   * Failures of the storage that may pass are always thrown.
   */
  unreadable?(path: ByteString, error: LifeboatError): readonly TreeNode[] | null;
  /**
   * Whether a tree must be encoded again to the very bytes it has, so that no field unknown to this version
   * is lost; a tree that is not throws.
   */
  readonly exact: boolean;
  /**
   * Whether a tree met a second time has the outcome of the first. Only where the rules do not look at paths
   * and do not count.
   */
  readonly memoised: boolean;
  readonly signal?: AbortSignal;
}

export interface TreeRewriter {
  /**
   * @returns the ID of the tree that takes the place of `tree`, the same where nothing changed, or null where
   * nothing is left.
   * @throws LifeboatError `repository-damaged`, and storage errors.
   */
  rewrite(tree: Id | undefined, path?: ByteString): Promise<Id | null>;
}

const root = '/' as ByteString;

interface LoadedTree {
  readonly bytes: Buffer;
  readonly nodes: readonly TreeNode[];
}

export function createTreeRewriter(
  reader: Pick<BlobReader, 'loadBlob'>,
  saver: TreeSaver,
  rules: TreeRewriteRules,
): TreeRewriter {
  const outcomes = new Map<Id, Id | null>();

  async function load(tree: Id | undefined, path: ByteString): Promise<LoadedTree> {
    if (tree === undefined)
      throw new LifeboatError('repository-damaged', `the folder ${quoted(path)} has no tree`);
    const bytes = await reader.loadBlob('tree', tree);
    return { bytes, nodes: parseTree(bytes) };
  }

  function replacement(path: ByteString, error: unknown): Id | null {
    const lost = hasCode(error, 'repository-damaged', 'storage-missing-file', 'tree-unsafe');
    if (!lost || !rules.unreadable) throw error;
    const nodes = rules.unreadable(path, error);
    return nodes === null ? null : save(nodes, path);
  }

  function save(nodes: readonly TreeNode[], path: ByteString): Id {
    const problem = treeOrderProblem(nodes);
    if (problem)
      throw new LifeboatError(
        'repository-damaged',
        `the folder ${quoted(path)} cannot be rewritten: ${problem}`,
      );
    return saver.saveTree(encodeTree(nodes)).id;
  }

  function refuseLoss({ bytes, nodes }: LoadedTree, path: ByteString): void {
    if (!rules.exact || encodeTree(nodes).equals(bytes)) return;
    throw new LifeboatError(
      'repository-damaged',
      `the folder ${quoted(path)} cannot be rewritten without losing information: it holds fields that this version does not know`,
      { hint: 'update Lifeboat; the snapshot was left as it is' },
    );
  }

  async function rewriteNode(node: TreeNode, path: ByteString): Promise<TreeNode | null> {
    const kept = rules.node(node, path);
    if (kept?.type !== 'dir') return kept;
    const subtree = await rewrite(kept.subtree, path);
    if (subtree === null) return null;
    return subtree === kept.subtree ? kept : { ...kept, subtree };
  }

  async function rewriteLoaded(tree: Id, loaded: LoadedTree, path: ByteString): Promise<Id | null> {
    const before = loaded.nodes;
    const wanted = rules.nodes?.(before, path) ?? before;
    const after: TreeNode[] = [];
    let changed = wanted !== before;
    for (const node of wanted) {
      rules.signal?.throwIfAborted();
      const kept = await rewriteNode(node, joinPath(path, node.name));
      if (kept !== node) changed = true;
      if (kept !== null) after.push(kept);
    }
    if (after.length === 0 && rules.keepEmptyFolder?.(path) === false) return null;
    return changed ? save(after, path) : tree;
  }

  async function rewrite(tree: Id | undefined, path: ByteString): Promise<Id | null> {
    const known = rules.memoised && tree !== undefined ? outcomes.get(tree) : undefined;
    if (known !== undefined) return known;
    let loaded: LoadedTree;
    try {
      loaded = await load(tree, path);
    } catch (error) {
      return replacement(path, error);
    }
    refuseLoss(loaded, path);
    const outcome = await rewriteLoaded(tree!, loaded, path);
    if (rules.memoised) outcomes.set(tree!, outcome);
    return outcome;
  }

  return { rewrite: (tree, path = root) => rewrite(tree, path) };
}

const quoted = (path: ByteString): string => JSON.stringify(toText(path));
