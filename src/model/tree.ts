import type { ByteString } from '../core/bytestring.ts';
import { isUtf8, toText } from '../core/bytestring.ts';
import { bytesOfLosslessText, goJsonInside, goJsonInsideOfText, goQuote } from './go-text.ts';
import type { TreeNode } from './node.ts';

export { parseTree } from './tree-parser.ts';

/**
 * Trees as restic writes them, byte for byte (restic internal/data/node.go MarshalJSON and tree.go): the ID of
 * a tree is the hash of these bytes, and `restic rewrite` refuses trees that it would have written otherwise.
 */

/** Anything that Quote or JSON would not copy as it is. */
const special = /[^ !#-%'-;=?-[\]-~]/;
const needsCompacting = /[\s<>&\u2028\u2029]/;

function nameInside(name: string): string {
  return special.test(name) ? goJsonInside(goQuote(name)) : name;
}

function textInside(text: string): string {
  return special.test(text) ? goJsonInsideOfText(text) : text;
}

function bytesInside(bytes: string): string {
  return special.test(bytes) ? goJsonInside(bytes) : bytes;
}

/** What json.Marshal does to a RawMessage: insignificant space goes, HTML is escaped. In bytes. */
function compactRaw(raw: string): string {
  if (!needsCompacting.test(raw)) return bytesOfLosslessText(raw);
  let out = '';
  let inString = false;
  for (let at = 0; at < raw.length; at++) {
    const unit = raw[at]!;
    if (!inString && (unit === ' ' || unit === '\t' || unit === '\n' || unit === '\r')) continue;
    if (unit === '"') inString = !inString;
    if (unit === '<' || unit === '>' || unit === '&' || unit === '\u2028' || unit === '\u2029') {
      out += `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    } else {
      out += unit;
      if (inString && unit === '\\') out += raw[++at] ?? '';
    }
  }
  return bytesOfLosslessText(out);
}

function rareFields(node: TreeNode): string {
  let out = '';
  if (node.linktarget) {
    out += `,"linktarget":"${bytesInside(node.linktarget)}"`;
    if (!isUtf8(node.linktarget)) {
      out += `,"linktarget_raw":"${Buffer.from(node.linktarget, 'latin1').toString('base64')}"`;
    }
  }
  if (node.extended_attributes && node.extended_attributes.length > 0) {
    const attributes = node.extended_attributes.map(({ name, value }) => {
      const encoded = value === null ? 'null' : `"${value.toString('base64')}"`;
      return `{"name":"${textInside(name)}","value":${encoded}}`;
    });
    out += `,"extended_attributes":[${attributes.join(',')}]`;
  }
  if (node.generic_attributes) {
    const members = Object.entries(node.generic_attributes)
      .map(([key, raw]) => ({ key: bytesOfLosslessText(key), raw }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ key, raw }) => `"${bytesInside(key)}":${compactRaw(raw)}`);
    if (members.length > 0) out += `,"generic_attributes":{${members.join(',')}}`;
  }
  return out;
}

let lastUser = '';
let lastGroup = '';
let lastOwnerJson = '';

/** `"user"` and `"group"`; neighbours mostly share their owner. */
function ownerFields(user: string | undefined, group: string | undefined): string {
  const userName = user ?? '';
  const groupName = group ?? '';
  if (userName === lastUser && groupName === lastGroup) return lastOwnerJson;
  lastUser = userName;
  lastGroup = groupName;
  lastOwnerJson =
    (userName === '' ? '' : `,"user":"${textInside(userName)}"`) +
    (groupName === '' ? '' : `,"group":"${textInside(groupName)}"`);
  return lastOwnerJson;
}

function contentField(content: readonly string[] | null): string {
  if (content === null) return 'null';
  if (content.length === 1) return `["${content[0]}"]`;
  return content.length === 0 ? '[]' : `["${content.join('","')}"]`;
}

/** One node's JSON in bytes (every unit below 256), without a newline. */
export function encodeNode(node: TreeNode): ByteString {
  let tail = '';
  if (node.inode) tail += `,"inode":${node.inode}`;
  if (node.device_id) tail += `,"device_id":${node.device_id}`;
  if (node.size) tail += `,"size":${node.size}`;
  if (node.links) tail += `,"links":${node.links}`;
  if (node.linktarget || node.extended_attributes || node.generic_attributes) tail += rareFields(node);
  if (node.device) tail += `,"device":${node.device}`;
  const mode = node.mode === 0 ? '' : `,"mode":${node.mode}`;
  let end = node.subtree === undefined ? '' : `,"subtree":"${node.subtree}"`;
  if (node.error) end += `,"error":"${textInside(node.error)}"`;
  return `{"name":"${nameInside(node.name)}","type":"${textInside(node.type)}"${mode},"mtime":"${node.mtime}","atime":"${node.atime}","ctime":"${node.ctime}","uid":${node.uid},"gid":${node.gid}${ownerFields(node.user, node.group)}${tail},"content":${contentField(node.content)}${end}}` as ByteString;
}

const head = '{"nodes":[';
const foot = ']}\n';
const scratchBytesKept = 1 << 20;
let scratch: Buffer = Buffer.allocUnsafeSlow(scratchBytesKept);

function grown(buffer: Buffer, used: number, wanted: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, wanted));
  larger.set(buffer.subarray(0, used));
  return larger;
}

/**
 * The bytes of a tree, in a buffer of exactly that size which shares its memory with nothing else. Nodes must
 * be in order (see `treeOrderProblem`); this function does not look.
 */
export function encodeTree(nodes: readonly TreeNode[]): Buffer {
  let buffer: Buffer = scratch;
  let used = buffer.write(head, 0, 'latin1');
  for (let i = 0; i < nodes.length; i++) {
    const text = i === 0 ? encodeNode(nodes[i]!) : `,${encodeNode(nodes[i]!)}`;
    if (used + text.length + foot.length > buffer.length) {
      buffer = grown(buffer, used, used + text.length + foot.length);
    }
    used += buffer.write(text, used, 'latin1');
  }
  used += buffer.write(foot, used, 'latin1');
  if (buffer !== scratch && buffer.length <= 4 * scratchBytesKept) scratch = buffer;
  const out = Buffer.allocUnsafeSlow(used);
  out.set(buffer.subarray(0, used));
  return out;
}

/** What is wrong with the order of the nodes (names must rise strictly by bytes), or null. */
export function treeOrderProblem(nodes: readonly TreeNode[]): string | null {
  for (let i = 1; i < nodes.length; i++) {
    const before = nodes[i - 1]!.name;
    const name = nodes[i]!.name;
    if (name > before) continue;
    const shown = JSON.stringify(toText(name));
    if (name === before) return `${shown} appears twice`;
    return `${shown} comes after ${JSON.stringify(toText(before))}`;
  }
  return null;
}

/** Why a name must never become part of a path, or null where it may. */
export function unsafeName(name: string): string | null {
  if (name === '') return 'is empty';
  if (name === '.' || name === '..') return 'names a directory outside its place';
  if (name.includes('/')) return 'contains a slash';
  if (name.includes('\0')) return 'contains a zero byte';
  return null;
}
