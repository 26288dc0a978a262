import { chmodSync, lchownSync, symlinkSync } from 'node:fs';
import process from 'node:process';
import { type ByteString, toPath, toText } from '../../core/bytestring.ts';
import { errnoOf, LifeboatError } from '../../core/errors.ts';
import { bytesOfLosslessText, losslessText } from '../../model/go-text.ts';
import { permissionsOfGoMode } from '../../model/mode.ts';
import type { NodeType, TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import { groupId, userId } from '../../transport/accounts.ts';
import { listXattrs, mkfifo, mknod, removeXattr, setTimes, setXattr } from '../../transport/posix.ts';
import { removeObstacle } from './restore-target.ts';

const blockDevice = 0o060000;
const charDevice = 0o020000;
/** Until the node's own permissions are set, nobody else opens what was just made. */
const privateMode = 0o600;

const makers: Partial<Record<NodeType, (path: ByteString, node: TreeNode) => void>> = {
  symlink: (path, node) => symlinkSync(toPath(node.linktarget ?? ('' as ByteString)), toPath(path)),
  dev: (path, node) => mknod(path, blockDevice | privateMode, node.device ?? 0),
  chardev: (path, node) => mknod(path, charDevice | privateMode, node.device ?? 0),
  fifo: (path) => mkfifo(path, privateMode),
};

/**
 * Makes a symlink, device or fifo in place of what may be there (a file or an empty directory), without its
 * metadata (restic internal/fs/node.go, NodeCreateAt). False for sockets, which only their server can make.
 * @throws the system's error; a LifeboatError `tree-unsafe` for a type that restic does not know either.
 */
export function createSpecial(path: ByteString, node: TreeNode): boolean {
  if (node.type === 'socket') return false;
  const make = makers[node.type];
  if (make === undefined) {
    throw new LifeboatError(
      'tree-unsafe',
      `${toText(path)} has a type that cannot be restored: "${node.type}"`,
    );
  }
  try {
    make(path, node);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    removeObstacle(path, false);
    make(path, node);
  }
  return true;
}

export interface MetadataOptions {
  /**
   * `numeric` gives files to the numbers in the snapshot; `names` to this machine's users of the same names,
   * and to number 0 where there is none, as restic does.
   */
  readonly owner: 'numeric' | 'names';
  /** Which extended attributes to set and to remove; all by default. */
  readonly selectXattr?: (name: string) => boolean;
}

export interface MetadataProblem {
  readonly what: 'owner' | 'extended attributes' | 'times' | 'permissions';
  readonly error: unknown;
}

function restoreOwner(path: ByteString, node: TreeNode, options: MetadataOptions): void {
  const byName = options.owner === 'names';
  const uid = byName ? (userId(node.user ?? '') ?? 0) : node.uid;
  const gid = byName ? (groupId(node.group ?? '') ?? 0) : node.gid;
  lchownSync(toPath(path), uid, gid);
}

function restoreAttributes(path: ByteString, node: TreeNode, options: MetadataOptions): void {
  const isSelected = options.selectXattr ?? (() => true);
  const expected = new Set<ByteString>();
  for (const { name, value } of node.extended_attributes ?? []) {
    if (!isSelected(name)) continue;
    const bytes = bytesOfLosslessText(name);
    setXattr(path, bytes, value ?? Buffer.alloc(0));
    expected.add(bytes);
  }
  // A new file may have got some already, such as the default ACL of its directory.
  for (const name of listXattrs(path)) {
    if (!expected.has(name) && isSelected(losslessText(name))) removeXattr(path, name);
  }
}

/** What a tree says that knows no time: Go's zero time, as rustic writes it for folders above its targets. */
const noTime = '0001-01-01T00:00:00Z';

function restoreTimes(path: ByteString, node: TreeNode): void {
  if (node.mtime === noTime) return;
  setTimes(path, parseTime(node.atime), parseTime(node.mtime));
}

function restorePermissions(path: ByteString, node: TreeNode): void {
  if (node.type === 'symlink') return;
  try {
    chmodSync(toPath(path), permissionsOfGoMode(node.mode));
  } catch (error) {
    // Some network mounts have no permissions to set.
    if (errnoOf(error) !== 'ENOTSUP') throw error;
  }
}

type Step = (path: ByteString, node: TreeNode, options: MetadataOptions) => void;

/** In restic's order: a change of owner clears setuid, so permissions come last. */
const steps: readonly (readonly [MetadataProblem['what'], Step])[] = [
  ['owner', restoreOwner],
  ['extended attributes', restoreAttributes],
  ['times', restoreTimes],
  ['permissions', restorePermissions],
];

function isIgnored(error: unknown): boolean {
  const code = errnoOf(error);
  return (code === 'EPERM' || code === 'EACCES') && process.geteuid?.() !== 0;
}

/**
 * Sets owner, extended attributes, times and permissions of what lies at a path; a failed step does not stop
 * the next. What an ordinary user may not do is passed over in silence (restic internal/fs/node.go,
 * NodeRestoreMetadata).
 * @returns what failed, empty when all is as in the snapshot.
 */
export function applyMetadata(path: ByteString, node: TreeNode, options: MetadataOptions): MetadataProblem[] {
  const problems: MetadataProblem[] = [];
  for (const [what, step] of steps) {
    try {
      step(path, node, options);
    } catch (error) {
      if (!isIgnored(error)) problems.push({ what, error });
    }
  }
  return problems;
}
