import { createHash } from 'node:crypto';
import type { ByteString } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { type Id, idOfBytes } from '../../model/id.ts';
import type { Rfc3339, TreeNode } from '../../model/node.ts';
import type { Snapshot, SnapshotSummary, StoredSnapshot } from '../../model/snapshot.ts';
import type { PathFilter } from '../../policy/filter.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { createTreeRewriter, type TreeRewriteRules, type TreeSaver } from './rewrite-tree.ts';

/** What is to change in snapshots (restic cmd/restic/cmd_rewrite.go). */
export interface RewriteRequest {
  /** What matches one of these is left out. */
  readonly exclude: readonly PathFilter[];
  /** Only what matches one of these stays; empty: everything. */
  readonly include: readonly PathFilter[];
  readonly host: string | null;
  readonly time: Rfc3339 | null;
  /** Count files and bytes also where nothing is left out. */
  readonly summarise: boolean;
  /** Given to the new snapshot, where the old one stays beside it. */
  readonly addTag: string | null;
}

export type RewritePlan =
  | { readonly kind: 'unchanged' }
  /** Nothing is left in it. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'changed'; readonly snapshot: Snapshot };

/** Whether trees have to be read. */
export function looksIntoTrees({ exclude, include, summarise }: RewriteRequest): boolean {
  return summarise || exclude.length > 0 || include.length > 0;
}

export interface RewriteEvents {
  /** An entry is left out. */
  readonly onExclude?: (path: ByteString) => void;
  /** A file, or a folder that matches, stays because of an include pattern. */
  readonly onInclude?: (path: ByteString, isFolder: boolean) => void;
}

/**
 * Makes the new snapshot. Its trees go to `saver`; nothing else is written.
 * @param trees where trees come from and go to; null suffices where `looksIntoTrees` says no.
 * @throws LifeboatError `repository-damaged`, also for trees with fields that this version would lose.
 */
export async function planRewrite(
  snapshot: StoredSnapshot,
  request: RewriteRequest,
  trees: { readonly reader: Pick<BlobReader, 'loadBlob'>; readonly saver: TreeSaver } | null,
  signal: AbortSignal,
  events: RewriteEvents = {},
): Promise<RewritePlan> {
  const { id, ...before } = snapshot;
  if (before.tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${id} has no tree and cannot be rewritten`);
  let tree: Id = before.tree;
  let summary = before.summary;
  if (looksIntoTrees(request)) {
    if (!trees) throw new LifeboatError('internal', 'rewriting trees needs a place to read them from');
    const counted = { files: 0, bytes: 0 };
    const rules = { ...rulesOf(request, counted, events), signal };
    const rewritten = await createTreeRewriter(trees.reader, trees.saver, rules).rewrite(tree);
    if (rewritten === null) return { kind: request.include.length > 0 ? 'unchanged' : 'empty' };
    tree = rewritten;
    summary = {
      ...(before.summary ?? noSummary),
      total_files_processed: counted.files,
      total_bytes_processed: counted.bytes,
    };
  }
  const same = tree === before.tree && (summary === undefined || sameSummary(summary, before.summary));
  if (same && request.host === null && request.time === null) return { kind: 'unchanged' };
  const tags = new Set([...(before.tags ?? []), ...(request.addTag === null ? [] : [request.addTag])]);
  return {
    kind: 'changed',
    snapshot: {
      ...before,
      tree,
      // This is a new snapshot, so it comes from the one it was made of, whatever that came from.
      original: id,
      ...(summary === undefined ? {} : { summary }),
      ...(tags.size === 0 ? {} : { tags: [...tags] }),
      ...(request.time === null ? {} : { time: request.time }),
      ...(request.host === null ? {} : { hostname: request.host }),
    },
  };
}

/** For dry runs: says which ID a tree would have. */
export const idsOnly: TreeSaver = {
  saveTree: (bytes) => ({ id: idOfBytes(createHash('sha256').update(bytes).digest()) }),
};

function rulesOf(
  { exclude, include }: RewriteRequest,
  counted: { files: number; bytes: number },
  { onExclude, onInclude }: RewriteEvents,
): TreeRewriteRules {
  const isIncluded = (node: TreeNode, path: ByteString): boolean => {
    if (include.length === 0) return true;
    if (node.type !== 'dir') return include.some((filter) => filter.matches(path));
    return include.some((filter) => {
      const { matched, childMayMatch } = filter.matchesWithChildren(path);
      return matched || childMayMatch;
    });
  };
  return {
    node(node, path) {
      if (exclude.some((filter) => filter.matches(path))) {
        onExclude?.(path);
        return null;
      }
      if (!isIncluded(node, path)) return null;
      if (include.length > 0 && node.type !== 'dir') onInclude?.(path, false);
      if (node.type === 'file') {
        counted.files++;
        counted.bytes += Number(node.size ?? 0);
      }
      return node;
    },
    keepEmptyFolder(path) {
      if (include.length === 0) return true;
      const kept = include.some((filter) => filter.matches(path));
      if (kept) onInclude?.(path, true);
      return kept;
    },
    exact: true,
    // Patterns look at whole paths, and files are counted wherever they are.
    memoised: false,
  };
}

const zeroTime = '0001-01-01T00:00:00Z';

const noSummary: SnapshotSummary = {
  backup_start: zeroTime,
  backup_end: zeroTime,
  files_new: 0,
  files_changed: 0,
  files_unmodified: 0,
  dirs_new: 0,
  dirs_changed: 0,
  dirs_unmodified: 0,
  data_blobs: 0,
  tree_blobs: 0,
  data_added: 0,
  data_added_packed: 0,
  total_files_processed: 0,
  total_bytes_processed: 0,
};

function sameSummary(a: SnapshotSummary, b: SnapshotSummary | undefined): boolean {
  return (
    b !== undefined &&
    a.total_files_processed === b.total_files_processed &&
    a.total_bytes_processed === b.total_bytes_processed
  );
}
