import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { type TreeSource, treeDepthMax, walkTree } from '../walk/walk-tree.ts';
import { after, type BlobSides, type BlobTotals, before, common, createBlobSides } from './blob-sides.ts';
import { sameContent, sameMetadata } from './compare-nodes.ts';

/** What differs between two trees (restic cmd/restic/cmd_diff.go). */
export interface SideTotals extends BlobTotals {
  files: number;
  dirs: number;
  others: number;
}

export interface Difference {
  readonly changedFiles: number;
  readonly added: SideTotals;
  readonly removed: SideTotals;
}

export interface CompareSink {
  /**
   * @param path of a folder with a slash at its end.
   * @param modifier `+` added, `-` removed, or of `T` type, `M` content, `U` metadata, and `?` where only the
   *   content changed, which hints at a failing disk.
   */
  change(path: ByteString, modifier: string): Promise<void> | undefined;
  /** A folder that could not be read, or a blob whose size nobody knows; the comparison goes on. */
  problem(error: LifeboatError): void;
}

export interface CompareOptions {
  /** Report changes in metadata alone. */
  readonly metadata: boolean;
  readonly signal: AbortSignal;
}

const noTotals = (): SideTotals => ({ files: 0, dirs: 0, others: 0, dataBlobs: 0, treeBlobs: 0, bytes: 0 });

function count(totals: SideTotals, { type }: TreeNode): void {
  if (type === 'file') totals.files++;
  else if (type === 'dir') totals.dirs++;
  else totals.others++;
}

function addBlobs(sides: BlobSides, node: TreeNode, side: number): void {
  if (node.type === 'file') for (const id of node.content ?? []) sides.add('data', id, side);
  else if (node.type === 'dir' && node.subtree !== undefined) sides.add('tree', node.subtree, side);
}

/** @throws LifeboatError where the two trees themselves cannot be read; what the sink throws. */
export async function compareTrees(
  source: TreeSource,
  index: BlobIndex,
  first: Id,
  second: Id,
  sink: CompareSink,
  options: CompareOptions,
): Promise<Difference> {
  const { metadata, signal } = options;
  const sides = createBlobSides(index);
  const added = noTotals();
  const removed = noTotals();
  let changedFiles = 0;
  const unreadable = (_path: ByteString, _tree: Id, error: LifeboatError): void => sink.problem(error);

  async function reportAll(path: ByteString, tree: Id, side: typeof before | typeof after): Promise<void> {
    const totals = side === before ? removed : added;
    const enter = (entry: ByteString, node: TreeNode): Promise<undefined> | undefined => {
      count(totals, node);
      addBlobs(sides, node, side);
      const shown = node.type === 'dir' ? (`${entry}/` as ByteString) : entry;
      return sink.change(shown, side === before ? '-' : '+')?.then(() => undefined);
    };
    await walkTree(source, tree, { enter, unreadable }, { at: path, signal });
  }

  /** Notes the blobs of what is the same on both sides, each tree once. */
  async function collect(path: ByteString, tree: Id): Promise<void> {
    const enter = (_entry: ByteString, node: TreeNode): 'skip' | undefined => {
      const known = node.subtree !== undefined && sides.has('tree', node.subtree, common);
      addBlobs(sides, node, common);
      return known ? 'skip' : undefined;
    };
    await walkTree(source, tree, { enter, unreadable }, { at: path, signal });
  }

  async function compareNodes(path: ByteString, a: TreeNode, b: TreeNode, depth: number): Promise<void> {
    let modifier = a.type === b.type ? '' : 'T';
    if (a.type === 'file' && b.type === 'file' && !sameContent(a, b)) {
      changedFiles++;
      modifier += sameMetadata(a, b) ? 'M?' : 'M';
    } else if (metadata && !(sameMetadata(a, b) && sameContent(a, b))) modifier += 'U';
    const shown = b.type === 'dir' ? (`${path}/` as ByteString) : path;
    if (modifier !== '') await sink.change(shown, modifier);
    if (a.type !== 'dir' || b.type !== 'dir') return;
    if (a.subtree === undefined || b.subtree === undefined) {
      sink.problem(new LifeboatError('repository-damaged', `the folder ${toText(path)} has no tree`));
    } else if (a.subtree === b.subtree) await collect(path, a.subtree);
    else await tolerate(compare(path, a.subtree, b.subtree, depth + 1));
  }

  async function onOneSide(
    path: ByteString,
    node: TreeNode,
    side: typeof before | typeof after,
  ): Promise<void> {
    count(side === before ? removed : added, node);
    const shown = node.type === 'dir' ? (`${path}/` as ByteString) : path;
    await sink.change(shown, side === before ? '-' : '+');
    if (node.type === 'dir' && node.subtree !== undefined) await reportAll(path, node.subtree, side);
  }

  async function tolerate(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      // One folder that cannot be read does not hide what differs elsewhere.
      if (!(error instanceof LifeboatError) || signal.aborted) throw error;
      sink.problem(error);
    }
  }

  async function compare(path: ByteString, treeA: Id, treeB: Id, depth: number): Promise<void> {
    signal.throwIfAborted();
    if (depth > treeDepthMax) {
      throw new LifeboatError(
        'tree-unsafe',
        `tree ${treeA} lies more than ${treeDepthMax} folders deep; refused`,
      );
    }
    const [nodesA, nodesB] = await Promise.all([source.loadTree(treeA), source.loadTree(treeB)]);
    for (const [a, b] of pairsByName(nodesA, nodesB)) {
      const entry = joinPath(path, (a ?? b)!.name);
      if (a) addBlobs(sides, a, before);
      if (b) addBlobs(sides, b, after);
      if (a && b) await compareNodes(entry, a, b, depth);
      else if (a) await onOneSide(entry, a, before);
      else if (b) await onOneSide(entry, b, after);
    }
  }

  sides.add('tree', first, before);
  sides.add('tree', second, after);
  await compare('/' as ByteString, first, second, 0);
  for (const [side, totals] of [
    [before, removed],
    [after, added],
  ] as const) {
    const { unknown, ...blobs } = sides.only(side);
    Object.assign(totals, blobs);
    for (const name of unknown) {
      sink.problem(new LifeboatError('repository-damaged', `the blob ${name} is not in the index`));
    }
  }
  return { changedFiles, added, removed };
}

/** Both lists merged by name, in the order of names. */
function* pairsByName(
  a: readonly TreeNode[],
  b: readonly TreeNode[],
): Generator<readonly [TreeNode | undefined, TreeNode | undefined]> {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const nameA = a[i]?.name;
    const nameB = b[j]?.name;
    if (nameA !== undefined && nameA === nameB) yield [a[i++], b[j++]];
    else if (nameB === undefined || (nameA !== undefined && nameA < nameB)) yield [a[i++], undefined];
    else yield [undefined, b[j++]];
  }
}
