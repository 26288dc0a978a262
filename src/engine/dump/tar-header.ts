import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { bytesOfLosslessText } from '../../model/go-text.ts';
import { permissionsOfGoMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import { formatPosixAcl } from './posix-acl.ts';

/**
 * Headers of tar entries: the POSIX ustar form (IEEE 1003.1 pax, "ustar Interchange Format") preceded by a
 * pax header for whatever does not fit into it. Names are bytes and stay so.
 */

export const blockBytes = 512;
const nameBytesMax = 100;
const ownerBytesMax = 32;

const typeFlags = { file: '0', link: '1', symlink: '2', dir: '5', pax: 'x' } as const;

export interface TarEntry {
  readonly type: 'file' | 'link' | 'symlink' | 'dir';
  /** Relative, without a slash at its end. */
  readonly path: ByteString;
  readonly node: TreeNode;
  /** Target of a symlink, or path of the entry that a hard link repeats. */
  readonly target: ByteString;
  /** Bytes of content that follow. */
  readonly size: number;
}

/** One or three blocks and more: the pax header with its records where there are any, then the entry's own. */
export function tarHeader(entry: TarEntry): Buffer {
  const { type, node, target, size } = entry;
  const path = (type === 'dir' ? `${entry.path}/` : entry.path) as ByteString;
  const records = new Map<string, string>();
  const { seconds, nanoseconds } = parseTime(node.mtime);

  const text = (name: string, bytes: string, bytesMax: number): string => {
    if (isAscii(bytes) && bytes.length <= bytesMax) return bytes;
    records.set(name, bytes);
    return asciiOf(bytes).slice(0, bytesMax);
  };
  const number = (name: string, value: number, digits: number): number => {
    if (value >= 0 && value < 8 ** digits) return value;
    records.set(name, String(value));
    return 0;
  };

  const name = text('path', path, nameBytesMax);
  const linkName = text('linkpath', target, nameBytesMax);
  const uname = text('uname', bytesOfText(node.user ?? ''), ownerBytesMax - 1);
  const gname = text('gname', bytesOfText(node.group ?? ''), ownerBytesMax - 1);
  const uid = number('uid', node.uid, 7);
  const gid = number('gid', node.gid, 7);
  const mtime = number('mtime', seconds, 11);
  if (nanoseconds > 0) records.set('mtime', decimalTime(seconds, nanoseconds));
  const sizeField = number('size', size, 11);
  // An attribute belongs to the file itself, so to the entry that holds it.
  if (type !== 'link') addAttributes(records, node);

  const own = { name, mode: permissionsOfGoMode(node.mode), uid, gid, mtime, linkName, uname, gname };
  const header = ustarBlock({ ...own, size: sizeField, flag: typeFlags[type] });
  if (records.size === 0) return header;
  const body = Buffer.from(paxBody(records), 'latin1');
  const paxName = `PaxHeaders.0/${asciiOf(path).replace(/\/$/, '').split('/').at(-1)}`.slice(0, nameBytesMax);
  const pax = ustarBlock({
    ...{ name: paxName, mode: 0o644, uid: 0, gid: 0, mtime: 0, linkName: '', uname: '', gname: '' },
    size: body.length,
    flag: typeFlags.pax,
  });
  return Buffer.concat([pax, body, padding(body.length), header]);
}

/** Zeros up to the next full block. */
export function padding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
}

const isAscii = (bytes: string): boolean => /^[\0-\x7f]*$/.test(bytes);
const asciiOf = (bytes: string): string => bytes.replace(/[^\0-\x7f]/g, '_');

/** Seconds since 1970 with a fraction; before 1970 the fraction counts backwards. */
function decimalTime(seconds: number, nanoseconds: number): string {
  const fraction = (value: number): string => String(value).padStart(9, '0').replace(/0+$/, '');
  return seconds >= 0
    ? `${seconds}.${fraction(nanoseconds)}`
    : `-${-(seconds + 1)}.${fraction(1_000_000_000 - nanoseconds)}`;
}

const aclRecords: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
};

/** Records as star, GNU tar and libarchive read them. */
function addAttributes(
  records: Map<string, string>,
  { extended_attributes: attributes = [] }: TreeNode,
): void {
  for (const { name, value } of attributes) {
    const bytes = value ?? Buffer.alloc(0);
    const aclRecord = aclRecords[name];
    if (aclRecord === undefined) {
      const key = bytesOfLosslessText(name);
      // A record ends its key at the first =, so such a name cannot be written.
      if (!key.includes('=')) records.set(`SCHILY.xattr.${key}`, bytes.toString('latin1'));
      continue;
    }
    const acl = formatPosixAcl(bytes);
    if (acl !== null) records.set(aclRecord, acl);
  }
}

/** Records `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxBody(records: ReadonlyMap<string, string>): string {
  let body = '';
  for (const key of [...records.keys()].sort()) {
    const rest = ` ${key}=${records.get(key)}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    body += `${length}${rest}`;
  }
  return body;
}

interface UstarFields {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly linkName: string;
  readonly uname: string;
  readonly gname: string;
}

const checksumAt = 148;

function ustarBlock(fields: UstarFields): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void =>
    void block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block.write(fields.name, 0, 'latin1');
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.mtime, 136, 11);
  block.write(`        ${fields.flag}`, checksumAt, 'latin1');
  block.write(fields.linkName, 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(fields.uname, 265, 'latin1');
  block.write(fields.gname, 297, 'latin1');
  octal(0, 329, 7);
  octal(0, 337, 7);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, checksumAt, 'latin1');
  return block;
}
