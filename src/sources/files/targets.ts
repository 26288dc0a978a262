import { readdirSync } from 'node:fs';
import { type ByteString, joinPath, toPath, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';

/**
 * How the paths that a user names become one tree (restic internal/archiver/tree.go): absolute paths keep
 * all their folders, relative ones theirs without `..`, and two different folders of one name get `-1`.
 */
export interface TargetTree {
  /** Entries by name; empty at a leaf. */
  readonly nodes: Map<ByteString, TargetTree>;
  /** A leaf: where the file or folder to save is. */
  path: ByteString | null;
  /** A folder above the targets: where its own metadata is read. */
  metadataPath: ByteString | null;
  /** Folder that holds the first part of the target, to tell equal names apart. */
  readonly root: ByteString;
  /** Named by the user, so never excluded. */
  explicit: boolean;
}

const bytes = (text: string): ByteString => text as ByteString;

/** Shortest equal path: no `.`, no doubled slashes, `..` resolved where a name stands before it. */
export function cleanPath(path: ByteString): ByteString {
  if (path === '') return bytes('.');
  const absolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts[parts.length - 1] !== '..') parts.pop();
    else if (!absolute) parts.push(part);
  }
  const joined = parts.join('/');
  return bytes(absolute ? `/${joined}` : joined || '.');
}

/** Parts of a path below its root; `..` at the start of a relative path is dropped. */
function components(path: ByteString): ByteString[] {
  const clean = cleanPath(path.startsWith('/') ? path : bytes(`/${path}`));
  return clean === '/' ? [] : (clean.slice(1).split('/') as ByteString[]);
}

function rootOf(path: ByteString): ByteString {
  if (path.startsWith('/')) return bytes('/');
  const ups = cleanPath(path)
    .split('/')
    .filter((part) => part === '..');
  return bytes(ups.length === 0 ? '.' : ups.join('/'));
}

const join = (directory: ByteString, name: ByteString): ByteString =>
  directory === '.' ? name : joinPath(directory, name);

const emptyNode = (root: ByteString): TargetTree => ({
  nodes: new Map(),
  path: null,
  metadataPath: null,
  root,
  explicit: false,
});

function addBelow(
  node: TargetTree,
  target: ByteString,
  folder: ByteString,
  parts: readonly ByteString[],
  explicit: boolean,
): void {
  const [name, ...rest] = parts as [ByteString, ...ByteString[]];
  let child = node.nodes.get(name);
  if (!child) {
    child = emptyNode(node.root);
    node.nodes.set(name, child);
  }
  if (rest.length === 0) {
    child.path = target;
    child.explicit = explicit;
    return;
  }
  child.metadataPath = join(folder, name);
  addBelow(child, target, child.metadataPath, rest, explicit);
}

function addTarget(top: TargetTree, target: ByteString, explicit: boolean): void {
  const parts = components(target);
  const first = parts[0]!;
  const root = rootOf(target);
  let name = first;
  for (let n = 1; top.nodes.has(name) && top.nodes.get(name)!.root !== root; n++)
    name = bytes(`${first}-${n}`);
  let child = top.nodes.get(name);
  if (!child) {
    child = emptyNode(root);
    top.nodes.set(name, child);
  }
  if (parts.length === 1) {
    child.path = target;
    child.explicit = explicit;
    return;
  }
  child.metadataPath = join(root, first);
  addBelow(child, target, child.metadataPath, parts.slice(1), explicit);
}

/** A target that has further targets below it is opened up, so that only leaves have a path. */
function unroll(node: TargetTree, list: (path: ByteString) => ByteString[]): void {
  if (node.path !== null && node.nodes.size > 0) {
    for (const name of list(node.path)) {
      const child = node.nodes.get(name);
      if (!child) node.nodes.set(name, { ...emptyNode(node.root), path: join(node.path, name) });
      else child.path ??= join(node.path, name);
    }
    node.metadataPath ??= node.path;
    node.path = null;
    node.explicit = false;
  }
  for (const child of node.nodes.values()) unroll(child, list);
}

/** Names in a folder, in the order of their bytes. */
export function listNames(path: ByteString): ByteString[] {
  return (readdirSync(toPath(path), { encoding: 'latin1' }) as string[] as ByteString[]).sort();
}

/** @throws LifeboatError `source-unreadable` where a folder among the targets cannot be listed. */
export function targetTree(paths: readonly ByteString[]): TargetTree {
  const list = (path: ByteString): ByteString[] => {
    try {
      return listNames(path);
    } catch (error) {
      throw new LifeboatError('source-unreadable', `cannot list ${toText(path)}`, { cause: error });
    }
  };
  const top = emptyNode(bytes(''));
  const seen = new Set<string>();
  for (const path of paths.map(cleanPath)) {
    const targets = components(path).length > 0 ? [path] : list(path).map((name) => join(path, name));
    for (const target of targets) {
      if (seen.has(target)) continue;
      seen.add(target);
      addTarget(top, target, target === path);
    }
  }
  unroll(top, list);
  return top;
}
