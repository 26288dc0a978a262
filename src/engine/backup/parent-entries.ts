import type { ByteString } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { contentBytes, contentIds } from './content-ids.ts';

/** The parent snapshot by path: its trees are read as entries ask for them, and kept with 32 bytes a blob. */
export interface ParentEntries {
  /** null where the parent has nothing at this path. Sooner than a promise where the folder is known. */
  find(path: ByteString): ParentEntry | null | Promise<ParentEntry | null>;
}

export interface ParentEntry {
  /** Without the content of files. */
  readonly light: TreeNode;
  /** Of files: 32 bytes for each blob. */
  readonly content: Uint8Array | null;
}

type Names = ReadonlyMap<ByteString, ParentEntry>;

/** The node as it is in the parent's tree. */
export function wholeNode({ light, content }: ParentEntry): TreeNode {
  return content ? { ...light, content: contentIds(content) } : light;
}

function lighten(node: TreeNode): ParentEntry {
  if (node.content === null) return { light: node, content: null };
  return { light: { ...node, content: [] }, content: contentBytes(node.content) };
}

const nothing: Names = new Map();

/**
 * @param root tree of the parent snapshot, or null for no parent
 * @param loadTree reads a tree. @throws where it is damaged or missing
 */
export function createParentEntries(
  root: Id | null,
  loadTree: (id: Id) => Promise<readonly TreeNode[]>,
  warning: (message: string) => void,
): ParentEntries {
  const folders = new Map<string, Names | Promise<Names>>();

  async function load(id: Id | undefined | null): Promise<Names> {
    if (!id) return nothing;
    try {
      return new Map((await loadTree(id)).map((node) => [node.name, lighten(node)]));
    } catch (error) {
      // Without the parent's tree everything below it is read again: slower, and complete.
      warning(
        `a tree of the parent snapshot cannot be read, so its files are read anew: ${messageOf(error)}`,
      );
      return nothing;
    }
  }

  async function loadFolder(path: string): Promise<Names> {
    if (path === '') return load(root);
    const { folder, name } = split(path);
    const entry = (await namesIn(folder)).get(name);
    return load(entry?.light.type === 'dir' ? entry.light.subtree : null);
  }

  function namesIn(path: string): Names | Promise<Names> {
    const known = folders.get(path);
    if (known) return known;
    const loading = loadFolder(path).then((names) => {
      folders.set(path, names);
      return names;
    });
    folders.set(path, loading);
    return loading;
  }

  return {
    find(path) {
      if (!root) return null;
      const { folder, name } = split(path);
      const names = namesIn(folder);
      return names instanceof Promise
        ? names.then((loaded) => loaded.get(name) ?? null)
        : (names.get(name) ?? null);
    },
  };
}

function split(path: string): { folder: string; name: ByteString } {
  const slash = path.lastIndexOf('/');
  return { folder: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) as ByteString };
}
