import type { ByteString } from '../../core/bytestring.ts';
import type { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { type Instant, parseTime } from '../../model/time.ts';
import { compileFilter } from '../../policy/filter.ts';
import { type TreeSource, type VisitAnswer, walkTree } from '../walk/walk-tree.ts';
import { rememberBarrenTrees } from './barren-trees.ts';

/** Searching snapshots for entries by their paths and times (restic cmd/restic/cmd_find.go). */
export interface EntryQuery {
  /** Globs as for --exclude: an entry below a match matches too. */
  readonly patterns: readonly ByteString[];
  readonly ignoreCase: boolean;
  /** Modification times, both included. */
  readonly oldest: Instant | undefined;
  readonly newest: Instant | undefined;
}

export type UnreadableTree = (tree: Id, error: LifeboatError) => void;

export interface EntryFinder {
  /** Searches one snapshot's tree, entries in the order of the walk. @throws what `walkTree` throws. */
  search(
    tree: Id,
    found: (path: ByteString, node: TreeNode) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

/** @throws LifeboatError `usage` for malformed patterns. */
export function createEntryFinder(
  source: TreeSource,
  query: EntryQuery,
  unreadable: UnreadableTree,
): EntryFinder {
  const { patterns, ignoreCase, oldest, newest } = query;
  const filter = compileFilter(patterns, { caseInsensitive: ignoreCase, origin: 'find' });
  const barren = rememberBarrenTrees();
  /** Without a slash in any pattern, what matches below an unmatched folder does not depend on its path. */
  const anywhere = patterns.every((pattern) => !pattern.includes('/'));
  const keyOf = (path: ByteString, tree: Id): string => (anywhere ? tree : `${tree}${path}`);

  const inTime = ({ mtime }: TreeNode): boolean => {
    if (!oldest && !newest) return true;
    const time = parseTime(mtime);
    return !(oldest && isBefore(time, oldest)) && !(newest && isBefore(newest, time));
  };

  return {
    async search(root, found, signal) {
      const rootKey = keyOf('/' as ByteString, root);
      if (barren.has(rootKey)) return;
      barren.reset();
      barren.enter(rootKey);
      const enter = (path: ByteString, node: TreeNode): VisitAnswer | Promise<VisitAnswer> => {
        const { matched, childMayMatch } = filter.matchesWithChildren(path);
        const isFound = matched && inTime(node);
        let answer: VisitAnswer;
        if (isFound) barren.hit();
        if (node.type === 'dir') {
          const key = keyOf(path, node.subtree ?? root);
          if (!isFound && !childMayMatch) answer = 'skip';
          else if (!matched && barren.has(key)) answer = 'skip';
          else barren.enter(key);
        }
        const printing = isFound ? found(path, node) : undefined;
        return printing ? printing.then(() => answer) : answer;
      };
      await walkTree(
        source,
        root,
        {
          enter,
          leave: () => barren.leave(),
          unreadable(_path, tree, error) {
            barren.abandon();
            unreadable(tree, error);
          },
        },
        { signal },
      );
      barren.leave();
    },
  };
}

function isBefore(a: Instant, b: Instant): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanoseconds < b.nanoseconds);
}
