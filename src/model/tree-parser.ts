import type { ByteString } from '../core/bytestring.ts';
import { goUnquote } from './go-text.ts';
import type { Id } from './id.ts';
import { JsonReader } from './json-reader.ts';
import type { ExtendedAttribute, NodeType, TreeNode } from './node.ts';

/** Keys of a node in the order in which restic writes them; the index is the field's number below. */
const keys = [
  'name',
  'type',
  'mode',
  'mtime',
  'atime',
  'ctime',
  'uid',
  'gid',
  'user',
  'group',
  'inode',
  'device_id',
  'size',
  'links',
  'linktarget',
  'linktarget_raw',
  'extended_attributes',
  'generic_attributes',
  'device',
  'content',
  'subtree',
  'error',
] as const;

/** Each key with its quotes and colon, as bytes. */
const keyBytes = keys.map((key) => Buffer.from(`"${key}":`, 'latin1'));
const keyNumbers = new Map<string, number>(keys.map((key, i) => [key, i]));
const unknownKey = -1;

const base64Pattern = /^[A-Za-z0-9+/\r\n]*={0,2}$/;
const zeroTime = '0001-01-01T00:00:00Z';
const timeShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** What the neighbours had: most nodes of a directory share these. */
interface Neighbour {
  user: string;
  group: string;
  time: string;
}

/** The number of the key that comes next, or `unknownKey`; moves behind its colon. */
function takeKey(reader: JsonReader, from: number): number {
  reader.peek();
  const bytes = reader.bytes;
  const start = reader.at;
  for (let number = from; number < keyBytes.length; number++) {
    const pattern = keyBytes[number]!;
    let i = 1;
    while (i < pattern.length && bytes[start + i] === pattern[i]) i++;
    if (i === pattern.length && bytes[start] === 0x22) {
      reader.at = start + i;
      return number;
    }
  }
  const key = reader.string();
  reader.expect(0x3a);
  return keyNumbers.get(key) ?? unknownKey;
}

function readName(reader: JsonReader): ByteString {
  const start = reader.at;
  const quoted = reader.string();
  if (!quoted.includes('\\') && !quoted.includes('"') && !quoted.includes('\n')) return quoted;
  const name = goUnquote(quoted);
  if (name === null) reader.fail('a malformed name', start);
  return name;
}

/** Three quarters of the times in a tree repeat the one before. */
function readTime(reader: JsonReader, neighbour: Neighbour): string {
  const start = reader.at;
  const text = reader.textLike(neighbour.time);
  if (text === neighbour.time) return text;
  if (!timeShape.test(text)) reader.fail('not a time', start);
  neighbour.time = text;
  return text;
}

function readBase64(reader: JsonReader): Buffer {
  const start = reader.at;
  const text = reader.string();
  if (!base64Pattern.test(text)) reader.fail('not base64', start);
  return Buffer.from(text, 'base64');
}

function readIds(reader: JsonReader): Id[] {
  reader.expect(0x5b);
  const ids: Id[] = [];
  if (reader.takeClose(0x5d)) return ids;
  do ids.push(reader.hexId() as Id);
  while (reader.takeComma(0x5d));
  return ids;
}

function readAttribute(reader: JsonReader): ExtendedAttribute {
  reader.expect(0x7b);
  let name = '';
  let value: Buffer | null = null;
  if (reader.takeClose(0x7d)) return { name, value };
  do {
    const key = reader.string();
    reader.expect(0x3a);
    if (key === 'name' && !reader.takeNull()) name = reader.text();
    else if (key === 'value') value = reader.takeNull() ? null : readBase64(reader);
    else if (key !== 'name') reader.skipValue();
  } while (reader.takeComma(0x7d));
  return { name, value };
}

function readAttributes(reader: JsonReader): ExtendedAttribute[] {
  reader.expect(0x5b);
  const attributes: ExtendedAttribute[] = [];
  if (reader.takeClose(0x5d)) return attributes;
  do attributes.push(readAttribute(reader));
  while (reader.takeComma(0x5d));
  return attributes;
}

function readRawMembers(reader: JsonReader): Record<string, string> {
  reader.expect(0x7b);
  const members: [string, string][] = [];
  if (reader.takeClose(0x7d)) return {};
  do {
    const key = reader.text();
    reader.expect(0x3a);
    const start = reader.skipValue();
    members.push([key, reader.bytes.toString('utf8', start, reader.at)]);
  } while (reader.takeComma(0x7d));
  return Object.fromEntries(members);
}

const knownTypes: readonly NodeType[] = [
  'file',
  'dir',
  'symlink',
  'dev',
  'chardev',
  'fifo',
  'socket',
  'irregular',
];

function readType(reader: JsonReader): NodeType {
  const guess = reader.bytes[reader.at + 1] === 0x64 ? 'dir' : 'file';
  const text = reader.textLike(guess);
  return (knownTypes.find((type) => type === text) ?? text) as NodeType;
}

function readField(reader: JsonReader, node: TreeNode, field: number, neighbour: Neighbour): void {
  switch (field) {
    case 0:
      node.name = readName(reader);
      break;
    case 1:
      node.type = readType(reader);
      break;
    case 2:
      node.mode = reader.u32();
      break;
    case 3:
      node.mtime = readTime(reader, neighbour);
      break;
    case 4:
      node.atime = readTime(reader, neighbour);
      break;
    case 5:
      node.ctime = readTime(reader, neighbour);
      break;
    case 6:
      node.uid = reader.u32();
      break;
    case 7:
      node.gid = reader.u32();
      break;
    case 8:
      node.user = reader.textLike(neighbour.user);
      neighbour.user = node.user;
      break;
    case 9:
      node.group = reader.textLike(neighbour.group);
      neighbour.group = node.group;
      break;
    case 10:
      node.inode = reader.u64();
      break;
    case 11:
      node.device_id = reader.u64();
      break;
    case 12:
      node.size = reader.u64();
      break;
    case 13:
      node.links = reader.u64();
      break;
    case 14: {
      const target = reader.string();
      node.linktarget ??= target;
      break;
    }
    case 15:
      node.linktarget = readBase64(reader).toString('latin1') as ByteString;
      break;
    case 16:
      node.extended_attributes = readAttributes(reader);
      break;
    case 17:
      node.generic_attributes = readRawMembers(reader);
      break;
    case 18:
      node.device = reader.u64();
      break;
    case 19:
      node.content = readIds(reader);
      break;
    case 20:
      node.subtree = reader.hexId() as Id;
      break;
    case 21:
      node.error = reader.text();
      break;
    default:
      reader.skipValue();
  }
}

function readNode(reader: JsonReader, neighbour: Neighbour): TreeNode {
  const node: TreeNode = {
    name: '' as ByteString,
    type: '',
    mode: 0,
    mtime: zeroTime,
    atime: zeroTime,
    ctime: zeroTime,
    uid: 0,
    gid: 0,
    content: null,
  };
  reader.expect(0x7b);
  if (reader.takeClose(0x7d)) return node;
  let next = 0;
  do {
    const field = takeKey(reader, next);
    if (field !== unknownKey) next = field + 1;
    if (reader.peek() === 0x6e && reader.takeNull()) continue;
    readField(reader, node, field, neighbour);
  } while (reader.takeComma(0x7d));
  return node;
}

function readNodes(reader: JsonReader): TreeNode[] {
  const nodes: TreeNode[] = [];
  if (reader.takeNull()) return nodes;
  reader.expect(0x5b);
  if (reader.takeClose(0x5d)) return nodes;
  const neighbour: Neighbour = { user: '', group: '', time: '' };
  do nodes.push(readNode(reader, neighbour));
  while (reader.takeComma(0x5d));
  return nodes;
}

/**
 * The nodes of a tree as restic and others write it (restic internal/data/tree.go). Unknown fields are
 * passed over; missing and null ones mean zero. Order and names are not judged here: see `treeOrderProblem`
 * and `unsafeName`.
 * @throws {LifeboatError} `repository-damaged` with the position of what cannot be read.
 */
export function parseTree(bytes: Uint8Array): TreeNode[] {
  const reader = new JsonReader(bytes, 'a tree');
  let nodes: TreeNode[] | null = null;
  reader.expect(0x7b);
  if (!reader.takeClose(0x7d)) {
    do {
      const key = reader.string();
      reader.expect(0x3a);
      if (key === 'nodes') nodes = readNodes(reader);
      else reader.skipValue();
    } while (reader.takeComma(0x7d));
  }
  return nodes ?? reader.fail('there is no list of nodes');
}
