import { globSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';

/** Reads ssh_config(5): the keywords that say where a host is and how to log in there. */

/** Values of the keywords that were found; the first one counts, but for those that collect. */
export interface HostKeywords {
  /** Lower-case keyword to its arguments. */
  readonly first: ReadonlyMap<string, readonly string[]>;
  readonly identityFiles: readonly string[];
}

/** Whom the conditions of Host and Match are asked about. */
export interface SshTarget {
  /** As the user gave it. */
  readonly host: string;
  readonly user: string | null;
  readonly localUser: string;
}

const includeDepthMax = 16;

interface Reading {
  readonly target: SshTarget;
  readonly home: string;
  readonly first: Map<string, readonly string[]>;
  readonly identityFiles: string[];
}

/**
 * What the files say about a host; files that are not there say nothing.
 * @param files in order of precedence.
 * @throws LifeboatError `ssh-settings` for a file that cannot be read or understood.
 */
export function readSshConfig(files: readonly string[], target: SshTarget, home: string): HostKeywords {
  const reading: Reading = { target, home, first: new Map(), identityFiles: [] };
  for (const file of files) readFile(file, reading, true, 0);
  return reading;
}

function readFile(path: string, reading: Reading, applies: boolean, depth: number): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
    throw invalid(path, `cannot be read: ${messageOf(error)}`);
  }
  if (depth > includeDepthMax) throw invalid(path, 'is included too deeply');
  let active = applies;
  for (const [n, line] of text.split('\n').entries()) {
    const [given, ...args] = wordsOf(line, `${path}:${n + 1}`);
    if (given === undefined) continue;
    const keyword = given.toLowerCase();
    if (keyword === 'host') active = applies && matchesPatterns(args, reading.target.host);
    else if (keyword === 'match') active = applies && matchApplies(args, reading);
    else if (keyword === 'include') {
      for (const pattern of args) {
        const files = globSync(includedPath(pattern, path, reading.home)).sort();
        for (const file of files) readFile(file, reading, active, depth + 1);
      }
    } else if (active && keyword === 'identityfile') reading.identityFiles.push(...args);
    else if (active && !reading.first.has(keyword)) reading.first.set(keyword, args);
  }
}

function includedPath(pattern: string, from: string, home: string): string {
  if (pattern.startsWith('~/')) return join(home, pattern.slice(2));
  if (isAbsolute(pattern)) return pattern;
  return join(from.startsWith('/etc/ssh/') ? '/etc/ssh' : join(home, '.ssh'), pattern);
}

/** Words of a line: separated by blanks or the one `=` after the keyword, quoted or not; comments are dropped. */
function wordsOf(line: string, where: string): string[] {
  const words: string[] = [];
  let rest = line.trim();
  while (rest !== '' && !rest.startsWith('#')) {
    const quoted = /^"([^"]*)"/.exec(rest);
    if (!quoted && rest.startsWith('"')) throw invalid(where, 'has a quote that does not end');
    const bare = words.length === 0 ? /^[^\s="]+/.exec(rest) : /^\S+/.exec(rest);
    const found = quoted ?? bare;
    if (!found) throw invalid(where, 'cannot be understood');
    words.push(quoted ? quoted[1]! : found[0]);
    rest = rest.slice(found[0].length).replace(words.length === 1 ? /^\s*=?\s*/ : /^\s+/, '');
  }
  return words;
}

function matchApplies(args: readonly string[], { target, first }: Reading): boolean {
  const values: Readonly<Record<string, string>> = {
    host: first.get('hostname')?.[0] ?? target.host,
    originalhost: target.host,
    user: target.user ?? first.get('user')?.[0] ?? target.localUser,
    localuser: target.localUser,
  };
  for (let n = 0; n < args.length; n++) {
    const word = args[n]!.toLowerCase();
    const negated = word.startsWith('!');
    const criterion = negated ? word.slice(1) : word;
    if (criterion === 'all') {
      if (negated) return false;
      continue;
    }
    const asked = values[criterion];
    // Such as `exec`, which runs a program: what depends on it is not taken.
    if (asked === undefined) return false;
    n += 1;
    if (matchesPatterns((args[n] ?? '').split(','), asked) === negated) return false;
  }
  return args.length > 0;
}

/** Whether one pattern matches and no negated one does (ssh_config(5), "PATTERNS"). */
export function matchesPatterns(patterns: readonly string[], name: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `*` is any text, `?` any one character; the case of letters does not count. */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(name);
}

function invalid(where: string, what: string): LifeboatError {
  return new LifeboatError('ssh-settings', `the SSH configuration ${where} ${what}`);
}
