import { type ByteString, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { goModeDir } from '../../model/mode.ts';
import type { Rfc3339, TreeNode } from '../../model/node.ts';
import { compareTimes, formatTime } from '../../model/time.ts';
import { encodeTree, unsafeName } from '../../model/tree.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import { contentIds } from './content-ids.ts';

/** Trees of entries that come in any order: kept until all are known, contents as 32 bytes a blob. */
export interface EntryTree {
  /**
   * Puts an entry in its place, folders above it as well. @throws LifeboatError `internal` where the path cannot be
   * one, or is another entry's.
   */
  add(path: ByteString, node: TreeNode): PlacedEntry;
  /** Whether there is nothing in it. */
  isEmpty(): boolean;
  /** Stores the trees from the leaves up, and tells of each folder but the root. */
  save(store: Pick<BlobStore, 'saveTree' | 'drained'>, folders: FolderListener): Promise<Id>;
}

export interface PlacedEntry {
  readonly node: TreeNode;
  /** Of files: 32 bytes for each blob. */
  content: Uint8Array | null;
  /** Takes it out again, as if it had never been. */
  remove(): void;
}

export interface FolderListener {
  /** What the parent snapshot has in its place. */
  previous(path: ByteString): Promise<TreeNode | undefined>;
  /** @returns what is told of the folder's tree: its bytes, and its bytes as stored; 0 and 0 where it is not new. */
  done(
    path: ByteString,
    node: TreeNode,
    previous: TreeNode | undefined,
  ): (treeBytes: number, treeStoredBytes: number) => void;
}

interface Folder {
  /** null where no entry has named it. */
  node: TreeNode | null;
  readonly children: Map<ByteString, Folder | PlacedEntry>;
}

const epoch = formatTime(0, 0, 0);

const isFolder = (child: Folder | PlacedEntry): child is Folder => 'children' in child;
const newFolder = (): Folder => ({ node: null, children: new Map() });

const newestOf = (nodes: readonly TreeNode[]): Rfc3339 =>
  nodes.reduce((newest, { mtime }) => (compareTimes(mtime, newest) > 0 ? mtime : newest), epoch);

/** A folder that nobody described: what lies in it tells its time, so that it is the same in each snapshot. */
function madeUp(name: ByteString, newest: Rfc3339): TreeNode {
  const times = { mtime: newest, atime: newest, ctime: newest };
  return { name, type: 'dir', mode: goModeDir + 0o755, ...times, uid: 0, gid: 0, content: null };
}

export function createEntryTree(): EntryTree {
  const root = newFolder();
  /** Entries mostly come folder by folder. */
  let lastPath: string | null = null;
  let lastFolder = root;

  const refuse = (path: ByteString, why: string): never => {
    throw new LifeboatError('internal', `the source named ${JSON.stringify(toText(path))}, which ${why}`);
  };

  function folderAt(path: string): Folder {
    if (path === lastPath) return lastFolder;
    let folder = root;
    for (const name of path === '' ? [] : (path.split('/') as ByteString[])) {
      const why = unsafeName(name);
      if (why) refuse(path as ByteString, `has a part that ${why}`);
      let child = folder.children.get(name);
      if (!child) {
        child = newFolder();
        folder.children.set(name, child);
      }
      if (!isFolder(child)) return refuse(path as ByteString, 'lies in what is no folder');
      folder = child;
    }
    lastPath = path;
    lastFolder = folder;
    return folder;
  }

  const nodeOf = ({ node, content }: PlacedEntry): TreeNode =>
    content ? { ...node, content: contentIds(content) } : node;

  return {
    add(path, node) {
      const slash = path.lastIndexOf('/');
      if (slash === 0) refuse(path, 'begins with a slash');
      const folder = folderAt(slash < 0 ? '' : path.slice(0, slash));
      const name = path.slice(slash + 1) as ByteString;
      const why = unsafeName(name);
      if (why) refuse(path, why);
      const there = folder.children.get(name);
      const entry: PlacedEntry = {
        node,
        content: null,
        remove() {
          folder.children.delete(name);
        },
      };
      if (node.type !== 'dir') {
        if (there) refuse(path, 'was named before');
        folder.children.set(name, entry);
        return entry;
      }
      if (there && (!isFolder(there) || there.node)) return refuse(path, 'was named before');
      const known = there ?? newFolder();
      known.node = node;
      folder.children.set(name, known);
      return entry;
    },

    isEmpty: () => root.children.size === 0,

    async save(store, folders) {
      async function nodesIn(folder: Folder, path: string): Promise<TreeNode[]> {
        const nodes: TreeNode[] = [];
        for (const name of [...folder.children.keys()].sort()) {
          const child = folder.children.get(name)!;
          nodes.push(
            isFolder(child)
              ? await saveFolder(child, (path ? `${path}/${name}` : name) as ByteString, name)
              : nodeOf(child),
          );
        }
        return nodes;
      }

      async function saveFolder(folder: Folder, path: ByteString, name: ByteString): Promise<TreeNode> {
        const nodes = await nodesIn(folder, path);
        const previous = await folders.previous(path);
        const bytes = encodeTree(nodes);
        let tell: ((treeBytes: number, treeStoredBytes: number) => void) | undefined;
        const { id, isNew } = store.saveTree(bytes, (packedBytes) => tell?.(bytes.length, packedBytes));
        const node = { ...(folder.node ?? madeUp(name, newestOf(nodes))), subtree: id };
        tell = folders.done(path, node, previous);
        if (!isNew) tell(0, 0);
        await store.drained();
        return node;
      }

      return store.saveTree(encodeTree(await nodesIn(root, ''))).id;
    },
  };
}
