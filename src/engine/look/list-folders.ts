import type { ByteString } from '../../core/bytestring.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { type TreeSource, walkTree } from '../walk/walk-tree.ts';

/** What `ls` shows: everything, or what lies directly in some folders, or all below them. */
export interface ListScope {
  /** Absolute and clean; none means everything. */
  readonly folders: readonly ByteString[];
  /** Go on below those folders. */
  readonly recursive: boolean;
}

export interface ListSink {
  /**
   * An entry, before what is below it.
   * @param onTheWay a folder that only leads to one of those asked for.
   */
  entry(path: ByteString, node: TreeNode, onTheWay: boolean): Promise<void> | undefined;
  /** The end of a folder that was given to `entry`. */
  leave?(): void;
}

/** Walks what the scope holds (restic cmd/restic/cmd_ls.go). @throws as `walkTree`. */
export async function listFolders(
  source: TreeSource,
  tree: Id,
  scope: ListScope,
  sink: ListSink,
  signal: AbortSignal,
): Promise<void> {
  const { folders, recursive } = scope;
  const all = folders.length === 0;
  await walkTree(
    source,
    tree,
    {
      enter(path, node) {
        const inside = all || folders.some((folder) => isWithin(path, folder));
        const leadsOn = all || folders.some((folder) => isWithin(folder, path));
        const goOn = leadsOn || (inside && recursive);
        const done = inside || leadsOn ? sink.entry(path, node, !inside) : undefined;
        if (node.type !== 'dir' || goOn) return done?.then(() => undefined);
        if (inside) sink.leave?.();
        return done ? done.then(() => 'skip' as const) : 'skip';
      },
      leave: () => sink.leave?.(),
    },
    { signal },
  );
}

/** Whether a path is a folder or lies below it; both are absolute and clean. */
function isWithin(path: ByteString, folder: ByteString): boolean {
  return folder === '/' || path === folder || (path.startsWith(folder) && path[folder.length] === '/');
}
