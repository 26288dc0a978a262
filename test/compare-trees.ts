import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ByteString, bytesOfText, joinPath, toPath } from '../src/core/bytestring.ts';
import { getXattr, listXattrs, lstatFast, seekHole } from '../src/transport/posix.ts';

/** Everything a restore must bring back of one entry, readable where two differ. */
export interface EntryState {
  readonly type: string;
  /** Permissions in octal. */
  readonly mode: string;
  readonly owner: string;
  readonly mtime: string;
  /** Attributes with their values, in the order of their names. */
  readonly xattrs: readonly string[];
  readonly size?: number;
  /** SHA-256. */
  readonly content?: string;
  /** Whether a part of the file takes no space. */
  readonly hasHole?: boolean;
  readonly target?: string;
  readonly device?: string;
  /** First of the names, in byte order, that belong to the same inode. */
  readonly sameFileAs?: ByteString;
}

export interface StateOptions {
  /** Count holes; only restores that were asked to make them do. */
  readonly holes?: boolean;
  /** Attributes to leave out. */
  readonly withoutXattrs?: boolean;
}

const types: Readonly<Record<number, string>> = {
  [0o100000]: 'file',
  [0o040000]: 'dir',
  [0o120000]: 'symlink',
  [0o020000]: 'chardev',
  [0o060000]: 'dev',
  [0o010000]: 'fifo',
  [0o140000]: 'socket',
};

/** Whether a file has a hole before its end. */
function hasHole(path: ByteString, size: number): boolean {
  const fd = openSync(toPath(path), 'r');
  try {
    return (seekHole(fd, 0) ?? size) < size;
  } finally {
    closeSync(fd);
  }
}

/**
 * Every entry below a folder, and the folder itself as `.`, by its path. Sockets are left out: no backup
 * keeps them. So are the times of access and change, which looking at a file changes or nothing can set.
 */
export function treeState(folder: string, options: StateOptions = {}): Map<ByteString, EntryState> {
  const entries = new Map<ByteString, EntryState>();
  const firstNames = new Map<string, ByteString>();

  function add(path: ByteString, name: ByteString): void {
    const stat = lstatFast(path);
    const type = types[stat.mode & 0o170000] ?? 'unknown';
    if (type === 'socket') return;
    const size = Number(stat.size);
    const inode = `${stat.dev}:${stat.ino}`;
    const xattrs = options.withoutXattrs
      ? []
      : listXattrs(path).map((key) => `${key}=${getXattr(path, key)?.toString('latin1')}`);
    if (type !== 'dir' && stat.nlink > 1 && !firstNames.has(inode)) firstNames.set(inode, name);
    const sameFileAs = firstNames.get(inode);
    entries.set(name, {
      type,
      mode: (stat.mode & 0o7777).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtime: `${stat.mtimeSec}.${String(stat.mtimeNsec).padStart(9, '0')}`,
      xattrs: xattrs.sort(),
      ...(type === 'file' && { size, content: sha256(readFileSync(toPath(path))) }),
      ...(type === 'file' && options.holes && { hasHole: hasHole(path, size) }),
      ...(type === 'symlink' && { target: readlinkSync(toPath(path), 'latin1') }),
      ...((type === 'dev' || type === 'chardev') && { device: String(stat.rdev) }),
      ...(sameFileAs !== undefined && { sameFileAs }),
    });
    if (type !== 'dir') return;
    for (const child of (readdirSync(toPath(path), 'latin1') as ByteString[]).sort())
      add(joinPath(path, child), name === '.' ? child : joinPath(name, child));
  }

  add(bytesOfText(folder), '.' as ByteString);
  return entries;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What differs between two folders, a line each; empty where one is the other's faithful copy. */
export function treeDifferences(expected: string, found: string, options: StateOptions = {}): string[] {
  return stateDifferences(treeState(expected, options), treeState(found, options));
}

/** The same between states, for a folder that has changed since. */
export function stateDifferences(
  expected: ReadonlyMap<ByteString, EntryState>,
  found: ReadonlyMap<ByteString, EntryState>,
): string[] {
  const lines: string[] = [];
  for (const [name, wanted] of expected) {
    const actual = found.get(name);
    if (!actual) {
      lines.push(`${JSON.stringify(name)} is missing`);
      continue;
    }
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(actual)]) as Set<keyof EntryState>) {
      const [one, other] = [JSON.stringify(wanted[key]), JSON.stringify(actual[key])];
      if (one !== other) lines.push(`${JSON.stringify(name)}: ${key} is ${other}, not ${one}`);
    }
  }
  for (const name of found.keys())
    if (!expected.has(name)) lines.push(`${JSON.stringify(name)} was not there`);
  return lines;
}
