import type { ByteString } from '../core/bytestring.ts';
import { bytesOfText, toText } from '../core/bytestring.ts';
import { LifeboatError } from '../core/errors.ts';
import { cleanPath } from './clean-path.ts';
import type { ComponentTest } from './glob.ts';
import { compileComponent } from './glob.ts';

/**
 * Lists of patterns for paths, with restic's meaning (internal/filter/filter.go). A pattern matches a path
 * when its components match consecutive components anywhere in it, or from the root when it begins with `/`;
 * so what lies below a match matches too. `**` stands for any number of components, and a pattern after `!`
 * takes back what the patterns before it matched.
 */
export interface PathFilter {
  /** Whether there are no patterns; then nothing matches. */
  readonly isEmpty: boolean;
  /** @throws {TypeError} for an empty path. */
  matches(path: ByteString): boolean;
  /** Also whether something below the path may match, so that a walk has to go on. */
  matchesWithChildren(path: ByteString): PathMatch;
}

export interface PathMatch {
  readonly matched: boolean;
  readonly childMayMatch: boolean;
}

export interface FilterOptions {
  readonly caseInsensitive?: boolean;
  /** Where the patterns are from, for messages: `--exclude`. */
  readonly origin?: string;
}

/** null is `**`; the root is the name `/`. */
type PatternPart = ComponentTest | null;

interface Pattern {
  readonly negated: boolean;
  readonly absolute: boolean;
  readonly parts: readonly PatternPart[];
  readonly hasDoubleStar: boolean;
  /** Of an absolute pattern: how many components come before `**` or the end. */
  readonly prefixLength: number;
}

/** How many directories are remembered, with which patterns they match. */
const directoriesMax = 4096;

/**
 * Prepares patterns for many paths; empty ones are ignored. Answers for directories are remembered, so that
 * the files in one are only looked at by their own names.
 *
 * @throws LifeboatError `usage` naming every malformed pattern.
 */
export function compileFilter(patterns: readonly ByteString[], options: FilterOptions = {}): PathFilter {
  const prepare = options.caseInsensitive ? lowerCase : (bytes: ByteString): ByteString => bytes;
  const invalid: ByteString[] = [];
  const compiled = patterns
    .filter((pattern) => pattern !== '')
    .flatMap((pattern) => {
      const one = compilePattern(prepare(pattern));
      if (one === null) invalid.push(pattern);
      return one ?? [];
    });
  if (invalid.length > 0) {
    const origin = options.origin === undefined ? '' : `${options.origin}: `;
    const named = invalid.map((pattern) => JSON.stringify(toText(pattern))).join(', ');
    throw new LifeboatError('usage', `${origin}invalid pattern${invalid.length > 1 ? 's' : ''}: ${named}`, {
      hint: 'close every [ with ], put at least one character between them, and write \\\\ for a backslash',
    });
  }
  return createFilter(compiled, prepare);
}

function createFilter(patterns: readonly Pattern[], prepare: (path: ByteString) => ByteString): PathFilter {
  const directories = new Map<string, Uint8Array>();

  /** Which patterns match this path, as one byte each. */
  const flagsOfDirectory = (path: string): Uint8Array => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const flags = new Uint8Array(flagsOfParent(path));
    const names = splitPath(path);
    for (const [i, pattern] of patterns.entries()) {
      if (flags[i] === 0 && matchesToEnd(pattern, names)) flags[i] = 1;
    }
    if (directories.size >= directoriesMax) directories.clear();
    directories.set(path, flags);
    return flags;
  };

  const none = new Uint8Array(patterns.length);
  const flagsOfRootMarker = new Uint8Array(patterns.map((pattern) => (matchesToEnd(pattern, ['/']) ? 1 : 0)));
  const flagsOfParent = (path: string): Uint8Array => {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return none;
    return slash === 0 ? flagsOfRootMarker : flagsOfDirectory(path.slice(0, slash));
  };

  const check = (given: ByteString, withChildren: boolean): PathMatch => {
    if (given === '') throw new TypeError('a filter was asked about an empty path');
    const path = prepare(given);
    const inherited = flagsOfParent(path);
    const names = splitPath(path);
    let matched = false;
    let childMayMatch = false;
    for (const [i, pattern] of patterns.entries()) {
      const decided = matched === !pattern.negated && (!withChildren || childMayMatch === !pattern.negated);
      if (decided) continue;
      const match = inherited[i] === 1 || matchesToEnd(pattern, names);
      if (pattern.negated) {
        if (match) matched = childMayMatch = false;
      } else {
        matched ||= match;
        if (withChildren) childMayMatch ||= childMayMatchPattern(pattern, names);
      }
    }
    return { matched, childMayMatch };
  };

  return {
    isEmpty: patterns.length === 0,
    matches: (path) => check(path, false).matched,
    matchesWithChildren: (path) => check(path, true),
  };
}

function compilePattern(text: ByteString): Pattern | null {
  const negated = text.startsWith('!');
  const clean = cleanPath(negated ? text.slice(1) : text);
  const parts: PatternPart[] = [];
  for (const part of splitPath(clean)) {
    // An empty part comes of the pattern `/`, which means everything below the root, as `/**` does.
    const test = part === '**' || part === '' ? null : compileComponent(part as ByteString);
    if (test === null && part !== '**' && part !== '') return null;
    parts.push(test);
  }
  const doubleStar = parts.indexOf(null);
  return {
    negated,
    absolute: clean.startsWith('/'),
    parts,
    hasDoubleStar: doubleStar >= 0,
    prefixLength: doubleStar >= 0 ? doubleStar : parts.length,
  };
}

/** The components of a path; an absolute one begins with the component `/`. */
function splitPath(path: string): string[] {
  const names = path.split('/');
  if (names[0] === '') names[0] = '/';
  return names;
}

/** Whether the pattern matches consecutive components of which the last is the path's last. */
function matchesToEnd(pattern: Pattern, names: readonly string[]): boolean {
  const { parts, absolute } = pattern;
  // A pattern that is not absolute never takes the root itself for a name.
  const first = !absolute && names[0] === '/' ? 1 : 0;
  if (pattern.hasDoubleStar) {
    return matchesBackwards(pattern, parts.length - 1, names, names.length - 1, first);
  }
  const offset = names.length - parts.length;
  if (offset < first || (absolute && offset !== 0)) return false;
  for (let i = parts.length - 1; i >= 0; i--) {
    if (!parts[i]!(names[offset + i]!)) return false;
  }
  return true;
}

/** Matches parts up to `part` against the components that end at `name`, from the end to the beginning. */
function matchesBackwards(
  pattern: Pattern,
  part: number,
  names: readonly string[],
  name: number,
  first: number,
): boolean {
  const { parts, absolute } = pattern;
  if (part < 0) return absolute ? name < 0 : name < names.length - 1;
  const test = parts[part];
  if (test === null) {
    for (let skipped = name; skipped >= first - 1; skipped--) {
      if (matchesBackwards(pattern, part - 1, names, skipped, first)) return true;
    }
    return false;
  }
  return name >= first && test!(names[name]!) && matchesBackwards(pattern, part - 1, names, name - 1, first);
}

/** Whether something below the path may match: always for a pattern that is not absolute. */
function childMayMatchPattern(pattern: Pattern, names: readonly string[]): boolean {
  if (!pattern.absolute) return true;
  const length = Math.min(names.length, pattern.prefixLength);
  for (let i = 0; i < length; i++) {
    if (!pattern.parts[i]!(names[i]!)) return false;
  }
  return true;
}

const notAscii = /[^\0-\x7f]/;

/** Lower case character by character, without regard to their neighbours, as Go's strings.ToLower. */
function lowerCase(bytes: ByteString): ByteString {
  if (!notAscii.test(bytes)) return bytes.toLowerCase() as ByteString;
  const characters = Array.from(toText(bytes), (character) => {
    const lower = character.toLowerCase();
    return lower.length > character.length ? lower.charAt(0) : lower;
  });
  return bytesOfText(characters.join(''));
}
