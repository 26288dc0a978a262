import { type ByteString, bytesOfText, isUtf8, toText } from '../core/bytestring.ts';
import { goJsonInside } from '../model/go-text.ts';
import {
  formatGoMode,
  goModeCharDevice,
  goModeDevice,
  goModeDir,
  goModeNamedPipe,
  goModeSocket,
  goModeSymlink,
  permissionsOfGoMode,
} from '../model/mode.ts';
import type { NodeType, TreeNode } from '../model/node.ts';
import { parseTime } from '../model/time.ts';
import { formatBytes, formatLocalTime } from './format.ts';
import { printable } from './text-width.ts';

/** Entries of snapshots as `ls` and `find` print them, in bytes (restic cmd/restic/format.go, cmd_ls.go). */

export interface EntryStyle {
  readonly long: boolean;
  readonly humanReadable: boolean;
  /** Quote what a terminal would take for commands; files and pipes get names as they are. */
  readonly quoted: boolean;
}

const modeBitsByType: Readonly<Partial<Record<NodeType, number>>> = {
  dir: goModeDir,
  symlink: goModeSymlink,
  dev: goModeDevice,
  chardev: goModeDevice | goModeCharDevice,
  fifo: goModeNamedPipe,
  socket: goModeSocket,
};

export function sizeOfNode(node: TreeNode): number {
  return node.type === 'file' ? Number(node.size ?? 0) : 0;
}

/** A name for a line of text. */
export function shownName(name: ByteString, quoted: boolean): ByteString {
  return quoted ? bytesOfText(printable(toText(name))) : name;
}

export function entryLine(path: ByteString, node: TreeNode, style: EntryStyle): ByteString {
  const name = shownName(path, style.quoted);
  if (!style.long) return name;
  const mode = ((modeBitsByType[node.type] ?? 0) | node.mode) >>> 0;
  const owner = `${String(node.uid).padStart(5)} ${String(node.gid).padStart(5)}`;
  const bytes = sizeOfNode(node);
  const size = style.humanReadable ? formatBytes(bytes) : String(bytes).padStart(6);
  const target =
    node.type === 'symlink' ? ` -> ${shownName(node.linktarget ?? ('' as ByteString), style.quoted)}` : '';
  return `${formatGoMode(mode)} ${owner} ${size} ${formatLocalTime(node.mtime)} ${name}${target}` as ByteString;
}

const special = /[^ !#-%'-;=?-[\]-~]/;

/** A JSON string of bytes, as Go writes it. */
export function jsonOfBytes(bytes: string): string {
  return `"${special.test(bytes) ? goJsonInside(bytes) : bytes}"`;
}

/** The JSON line of `ls`. */
export function entryJson(path: ByteString, node: TreeNode): ByteString {
  const { name, type, uid, gid, mode, mtime, atime, ctime, inode } = node;
  const size = type === 'file' ? `,"size":${node.size ?? 0}` : '';
  const modeField = mode === 0 ? '' : `,"mode":${mode}`;
  const inodeField = inode ? `,"inode":${inode}` : '';
  return `{"name":${jsonOfBytes(name)},"type":${jsonOfBytes(type)},"path":${jsonOfBytes(path)},"uid":${uid},"gid":${gid}${size}${modeField},"permissions":"${formatGoMode(mode)}","mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}"${inodeField},"message_type":"node","struct_type":"node"}` as ByteString;
}

const ncduBlockBytes = 512;

/** An entry of ncdu's export format, version 1.2. */
export function ncduJson(node: TreeNode): ByteString {
  const size = node.type === 'file' ? BigInt(node.size ?? 0) : 0n;
  const block = BigInt(ncduBlockBytes);
  const dsize = ((size + block - 1n) / block) * block;
  const notRegular = node.type !== 'dir' && node.type !== 'file';
  // ncdu refuses times before 1970.
  const mtime = Math.max(0, parseTime(node.mtime).seconds);
  return `{"name":${jsonOfBytes(node.name)},"asize":${size},"dsize":${dsize},"dev":${node.device_id ?? 0},"ino":${node.inode ?? 0},"nlink":${node.links ?? 0},"notreg":${notRegular},"uid":${node.uid},"gid":${node.gid},"mode":${permissionsOfGoMode(node.mode)},"mtime":${mtime}}` as ByteString;
}

/** The JSON of a match of `find`: restic leaves out name, attributes, device, content and subtree. */
export function foundEntryJson(path: ByteString, node: TreeNode): ByteString {
  const { type, mode, mtime, atime, ctime, uid, gid, user, group, linktarget, error } = node;
  const text = (name: string, value: string | undefined): string =>
    value ? `,"${name}":${jsonOfBytes(bytesOfText(value))}` : '';
  const number = (name: string, value: number | bigint | undefined): string =>
    value ? `,"${name}":${value}` : '';
  const raw =
    linktarget && !isUtf8(linktarget)
      ? `,"linktarget_raw":"${Buffer.from(linktarget, 'latin1').toString('base64')}"`
      : '';
  return [
    `{"path":${jsonOfBytes(path)},"permissions":"${formatGoMode(mode)}","type":${jsonOfBytes(type)}`,
    number('mode', mode),
    `,"mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}","uid":${uid},"gid":${gid}`,
    text('user', user),
    text('group', group),
    number('inode', node.inode),
    number('device_id', node.device_id),
    number('size', node.size),
    number('links', node.links),
    linktarget ? `,"linktarget":${jsonOfBytes(linktarget)}${raw}` : '',
    text('error', error),
    '}',
  ].join('') as ByteString;
}
