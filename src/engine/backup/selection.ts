import { type ByteString, bytesOfText, joinPath, toText } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { U64 } from '../../model/node.ts';
import { headerBytesNeeded, marksDirectory, type TagFile } from '../../policy/exclude-if-present.ts';
import type { PathFilter } from '../../policy/filter.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { readBeginning } from '../../sources/files/tag-files.ts';
import { cleanPath } from '../../sources/files/targets.ts';
import type { Selection } from './archive.ts';

/** What stays out of a backup (restic internal/archiver/exclude.go). */
export interface SelectionRules {
  /** --exclude and --exclude-file, and their case-insensitive twins. */
  readonly excluded: readonly PathFilter[];
  readonly tagFiles: readonly TagFile[];
  /** Files above this size stay out; undefined for no limit. */
  readonly sizeMax: number | undefined;
  /** Targets whose file systems must not be left; undefined to cross them. */
  readonly oneFileSystem: readonly ByteString[] | undefined;
  readonly warn: (message: string) => void;
}

const directoryMask = 0o170000;
const isDirectory = (stat: FileStat): boolean => (stat.mode & directoryMask) === 0o040000;
const parentOf = (path: ByteString): ByteString =>
  (path.slice(0, path.lastIndexOf('/')) || '/') as ByteString;

export function absolutePath(path: ByteString, workingDirectory: string): ByteString {
  return path.startsWith('/') ? path : cleanPath(joinPath(bytesOfText(workingDirectory), path));
}

type EntryRule = (path: ByteString, stat: FileStat) => boolean;

/** Directories whose answer is remembered; the walk and the scan beside it are in different ones. */
const directoriesMax = 1024;

/** Keeps what shares a directory with a tag file out, but not the tag file itself. */
function tagFileRule(tag: TagFile, warn: SelectionRules['warn']): EntryRule {
  const known = new Map<ByteString, boolean>();
  const marks = (directory: ByteString): boolean => {
    const path = toText(joinPath(directory, tag.name));
    try {
      const beginning = readBeginning(directory, tag.name, headerBytesNeeded(tag));
      if (beginning === null) return false;
      if (marksDirectory(tag, beginning)) return true;
      warn(`${path} has not the expected beginning, so nothing is excluded by it`);
    } catch (error) {
      warn(`cannot read ${path}, so nothing is excluded by it: ${messageOf(error)}`);
    }
    return false;
  };
  return (path) => {
    if (path.endsWith(`/${tag.name}`)) return true;
    const directory = parentOf(path);
    let marked = known.get(directory);
    if (marked === undefined) {
      marked = marks(directory);
      if (known.size >= directoriesMax) known.delete(known.keys().next().value!);
      known.set(directory, marked);
    }
    return !marked;
  };
}

/** The device of what lies at a path; null where it is gone. */
function deviceOf(path: ByteString): U64 | null {
  try {
    return statEntry(path).dev;
  } catch {
    return null; // what lies below it is left out, or reported where it is read
  }
}

/** Keeps other file systems out; of a mount point only the directory itself stays. */
function deviceRule(targets: readonly ByteString[]): EntryRule {
  const allowed = new Map(targets.map((path) => [path, deviceOf(path)]));
  const isAllowed = (path: ByteString, device: U64 | null): boolean => {
    for (let at = path; ; at = parentOf(at)) {
      const expected = allowed.get(at);
      if (expected !== undefined) return device !== null && expected === device;
      if (at === '/') return false;
    }
  };
  return (path, stat) => {
    if (isAllowed(path, stat.dev)) return true;
    return isDirectory(stat) && isAllowed(parentOf(path), deviceOf(parentOf(path)));
  };
}

export function createSelection(rules: SelectionRules, workingDirectory: string): Selection {
  const filters = rules.excluded.filter((filter) => !filter.isEmpty);
  const entryRules: EntryRule[] = rules.tagFiles.map((tag) => tagFileRule(tag, rules.warn));
  const { sizeMax, oneFileSystem } = rules;
  if (sizeMax !== undefined) entryRules.push((_, stat) => isDirectory(stat) || stat.size <= sizeMax);
  if (oneFileSystem)
    entryRules.push(deviceRule(oneFileSystem.map((path) => absolutePath(path, workingDirectory))));
  return {
    keepPath(path) {
      if (filters.length === 0) return true;
      const absolute = absolutePath(path, workingDirectory);
      return !filters.some((filter) => filter.matches(absolute));
    },
    keepEntry(path, stat) {
      if (entryRules.length === 0) return true;
      const absolute = absolutePath(path, workingDirectory);
      return entryRules.every((rule) => rule(absolute, stat));
    },
  };
}
