import { readlinkSync } from 'node:fs';
import { type ByteString, toPath } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';
import { losslessText } from '../../model/go-text.ts';
import { goModeOfStat, typeOfStatMode } from '../../model/mode.ts';
import type { ExtendedAttribute, TreeNode } from '../../model/node.ts';
import { formatTime } from '../../model/time.ts';
import { groupName, userName } from '../../transport/accounts.ts';
import { getXattr, listXattrs } from '../../transport/posix.ts';
import type { FileStat } from '../../transport/posix-types.ts';

export interface NodeOptions {
  /** Keep the access time; otherwise it is set to the modification time, so that reading changes no tree. */
  readonly withAtime?: boolean;
  /** Keep st_dev only of what has several links, so that a new device number changes few trees. */
  readonly deviceIdOfHardLinksOnly?: boolean;
  /** Say nothing where the attributes may not be listed: for the directories above what is backed up. */
  readonly ignoreXattrErrors?: boolean;
  /**
   * An earlier node of the same path. Where inode and change time are as they were, its attributes are taken
   * rather than read again: the kernel moves the change time with every attribute that is set.
   */
  readonly previous?: TreeNode;
  /** Told what could not be read; the node is returned without it. Without this function it is thrown. */
  readonly onProblem?: (error: unknown) => void;
}

function report(error: unknown, options: NodeOptions): void {
  if (options.onProblem === undefined) throw error;
  options.onProblem(error);
}

function isDenied(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'EACCES' || code === 'EPERM';
}

/**
 * All extended attributes in the kernel's order, ACLs among them (`system.posix_acl_*`). One that cannot be
 * read is reported and left out.
 */
export function readAttributes(path: ByteString, options: NodeOptions): ExtendedAttribute[] {
  let names: ByteString[];
  try {
    names = listXattrs(path);
  } catch (error) {
    if (!(options.ignoreXattrErrors && isDenied(error))) report(error, options);
    return [];
  }
  const attributes: ExtendedAttribute[] = [];
  for (const name of names) {
    try {
      attributes.push({ name: losslessText(name), value: getXattr(path, name) });
    } catch (error) {
      report(error, options);
    }
  }
  return attributes;
}

function readTarget(path: ByteString, options: NodeOptions): ByteString | undefined {
  try {
    return readlinkSync(toPath(path), 'latin1') as ByteString;
  } catch (error) {
    report(error, options);
    return undefined;
  }
}

/**
 * The node of what lies at a path, as restic fills it (restic internal/fs/node.go, nodeFromFileInfo;
 * internal/archiver/archiver.go): the size of files only, links of everything but directories, fifos and
 * sockets, `device` of devices. `content` is empty for files, null for the rest, for the caller to replace.
 * Sockets get a node too; it is the caller who leaves them out, as restic does.
 */
export function nodeOfStat(
  path: ByteString,
  name: ByteString,
  stat: FileStat,
  options: NodeOptions = {},
): TreeNode {
  const type = typeOfStatMode(stat.mode);
  const mtime = formatTime(stat.mtimeSec, stat.mtimeNsec);
  const node: TreeNode = {
    name,
    type,
    mode: goModeOfStat(stat.mode),
    mtime,
    atime: options.withAtime ? formatTime(stat.atimeSec, stat.atimeNsec) : mtime,
    ctime: formatTime(stat.ctimeSec, stat.ctimeNsec),
    uid: stat.uid,
    gid: stat.gid,
    user: userName(stat.uid),
    group: groupName(stat.gid),
    inode: stat.ino,
    device_id: stat.dev,
    content: type === 'file' ? [] : null,
  };
  if (type === 'file') node.size = stat.size;
  if (type !== 'dir' && type !== 'fifo' && type !== 'socket') node.links = stat.nlink;
  if (options.deviceIdOfHardLinksOnly && (type === 'dir' || node.links === 1)) delete node.device_id;
  if (type === 'dev' || type === 'chardev') node.device = stat.rdev;
  if (type === 'symlink') {
    const target = readTarget(path, options);
    // Without its target the rest of a symlink is not worth another report.
    if (target === undefined) return node;
    node.linktarget = target;
  }
  const { previous } = options;
  const isSame = previous !== undefined && previous.inode === node.inode && previous.ctime === node.ctime;
  const attributes = isSame ? previous.extended_attributes : readAttributes(path, options);
  if (attributes !== undefined && attributes.length > 0) node.extended_attributes = attributes;
  return node;
}
