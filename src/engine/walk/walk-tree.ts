import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';

/**
 * Walks a snapshot's trees depth first, entries in the order of their names. Memory holds the folders on the
 * way to the current one, and a few trees loaded ahead; the call stack does not grow with depth.
 */

/** Where trees come from; a `BlobReader` is one. */
export interface TreeSource {
  loadTree(id: Id): Promise<TreeNode[]>;
}

/** `'skip'`: do not go into this folder. `'stop'`: end the walk. */
export type VisitAnswer = 'skip' | 'stop' | undefined;

export interface TreeVisitor {
  /** An entry, before what is below it. `tree` is the tree that holds the entry. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a visitor that never skips need not return anything.
  enter(path: ByteString, node: TreeNode, tree: Id): VisitAnswer | void | Promise<VisitAnswer>;
  /** A folder that was gone into, after all that is below it. */
  leave?(path: ByteString, node: TreeNode): void;
  /**
   * A tree that cannot be read or that is unsafe. Returning goes on without it; the default is to throw.
   * @param path the folder, or the walk's start.
   */
  unreadable?(path: ByteString, tree: Id, error: LifeboatError): void;
}

export interface WalkOptions {
  /** Path of the root tree; entries are named below it. Default `/`. */
  readonly at?: ByteString;
  readonly signal?: AbortSignal;
}

/** Deeper than any file system that can be backed up, shallow enough that paths stay in memory. */
export const treeDepthMax = 10_000;
/** Subfolders of one folder whose trees are loaded ahead, and of all folders together. */
const aheadPerFolderMax = 8;
const aheadMax = 64;

interface Frame {
  readonly tree: Id;
  readonly path: ByteString;
  /** The entry that led here; null for the root. */
  readonly node: TreeNode | null;
  readonly nodes: readonly TreeNode[];
  next: number;
  /** Loads under way or done, by the index of their entry. */
  readonly ahead: Map<number, Promise<TreeNode[]>>;
  /** Entries before this one are loaded ahead already. */
  aheadFrom: number;
}

/**
 * @throws LifeboatError `repository-damaged` and storage errors of the source, `tree-unsafe` for a tree that
 * contains itself or is nested deeper than `treeDepthMax`; whatever the visitor throws; the signal's reason.
 */
export async function walkTree(
  source: TreeSource,
  root: Id,
  visitor: TreeVisitor,
  options: WalkOptions = {},
): Promise<void> {
  const { at = '/' as ByteString, signal } = options;
  const stack: Frame[] = [];
  /** Trees on the way to the current one. */
  const open = new Set<Id>();
  let aheadTotal = 0;

  function lookAhead(frame: Frame): void {
    const { nodes, ahead } = frame;
    let index = Math.max(frame.aheadFrom, frame.next);
    for (; index < nodes.length && ahead.size < aheadPerFolderMax && aheadTotal < aheadMax; index++) {
      const { type, subtree } = nodes[index]!;
      if (type !== 'dir' || subtree === undefined) continue;
      const load = source.loadTree(subtree);
      load.catch(() => {
        // Reported when the walk gets there; a load ahead that nobody waits for yet must not end the process.
      });
      ahead.set(index, load);
      aheadTotal++;
    }
    frame.aheadFrom = index;
  }

  /** Entries of a tree; null where the visitor goes on without it. */
  async function load(
    path: ByteString,
    tree: Id,
    started: Promise<TreeNode[]> | undefined,
  ): Promise<TreeNode[] | null> {
    try {
      if (open.has(tree))
        throw new LifeboatError('tree-unsafe', `tree ${tree} at ${toText(path)} contains itself`);
      if (stack.length >= treeDepthMax) {
        throw new LifeboatError(
          'tree-unsafe',
          `tree ${tree} lies more than ${treeDepthMax} folders deep; refused`,
        );
      }
      return await (started ?? source.loadTree(tree));
    } catch (error) {
      if (!visitor.unreadable || !(error instanceof LifeboatError)) throw error;
      visitor.unreadable(path, tree, error);
      return null;
    }
  }

  async function descend(
    path: ByteString,
    node: TreeNode | null,
    tree: Id,
    started?: Promise<TreeNode[]>,
  ): Promise<boolean> {
    signal?.throwIfAborted();
    const nodes = await load(path, tree, started);
    if (nodes === null) return false;
    open.add(tree);
    stack.push({ tree, path, node, nodes, next: 0, ahead: new Map(), aheadFrom: 0 });
    return true;
  }

  await descend(at, null, root);
  while (stack.length > 0) {
    const frame = stack[stack.length - 1]!;
    if (frame.next >= frame.nodes.length) {
      stack.pop();
      open.delete(frame.tree);
      aheadTotal -= frame.ahead.size;
      if (frame.node) visitor.leave?.(frame.path, frame.node);
      continue;
    }
    const index = frame.next++;
    const node = frame.nodes[index]!;
    const path = joinPath(frame.path, node.name);
    const answered = visitor.enter(path, node, frame.tree);
    const answer = answered instanceof Promise ? await answered : answered;
    if (answer === 'stop') return;
    if (node.type !== 'dir') continue;
    const started = frame.ahead.get(index);
    if (frame.ahead.delete(index)) aheadTotal--;
    if (answer === 'skip') continue;
    const entered = await enterFolder(path, node, started);
    // Where one folder was gone into, its neighbours most likely will be.
    if (entered) lookAhead(frame);
  }

  async function enterFolder(
    path: ByteString,
    node: TreeNode,
    started: Promise<TreeNode[]> | undefined,
  ): Promise<boolean> {
    if (node.subtree !== undefined) return descend(path, node, node.subtree, started);
    const error = new LifeboatError('repository-damaged', `the folder ${toText(path)} has no tree`);
    if (!visitor.unreadable) throw error;
    visitor.unreadable(path, stack[stack.length - 1]!.tree, error);
    return false;
  }
}

/**
 * Finds the tree of a folder inside a snapshot, as in `latest:/etc/ssh`.
 *
 * @param subfolder components separated by slashes; empty or `/` means the root itself.
 * @throws LifeboatError `path-missing` where it is not there or no folder; errors of the source.
 */
export async function findSubtree(source: TreeSource, root: Id, subfolder: ByteString): Promise<Id> {
  let tree = root;
  let walked = '' as ByteString;
  for (const name of subfolder.split('/')) {
    if (name === '' || name === '.') continue;
    walked = `${walked}/${name}` as ByteString;
    const node = (await source.loadTree(tree)).find((one) => one.name === name);
    if (node === undefined) throw missing(walked, 'is not in the snapshot');
    if (node.type !== 'dir' || node.subtree === undefined) throw missing(walked, 'is not a folder');
    tree = node.subtree;
  }
  return tree;
}

function missing(path: ByteString, why: string): LifeboatError {
  return new LifeboatError('path-missing', `${toText(path)} ${why}`);
}
