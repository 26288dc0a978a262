import { lstatSync, readdirSync, statSync } from 'node:fs';
import { type ByteString, joinPath, toPath } from '../core/bytestring.ts';
import { cleanPath } from '../policy/clean-path.ts';
import { compileComponent } from '../policy/glob.ts';

const meta = /[*?[\\]/;

/**
 * Files that fit a pattern, with the meaning of Go's filepath.Glob: `*`, `?` and classes within a component,
 * hidden files included, `\` before what stands for itself; what cannot be listed fits nothing.
 *
 * @returns null for a malformed pattern.
 */
export function globFiles(pattern: ByteString): ByteString[] | null {
  if (!isWellFormed(pattern)) return null;
  if (!meta.test(pattern)) return exists(pattern) ? [pattern] : [];
  const slash = pattern.lastIndexOf('/');
  const last = pattern.slice(slash + 1) as ByteString;
  const above = pattern.slice(0, slash).replace(/\/+$/, '') as ByteString;
  const folder = (slash < 0 ? '.' : above || '/') as ByteString;
  const folders = meta.test(folder) ? globFiles(folder)! : [folder];
  return folders.flatMap((found) => matchesIn(found, last));
}

const isWellFormed = (pattern: ByteString): boolean =>
  pattern.split('/').every((part) => compileComponent(part as ByteString) !== null);

function exists(path: ByteString): boolean {
  try {
    lstatSync(toPath(path));
    return true;
  } catch {
    return false; // whatever the reason, there is nothing to take
  }
}

function matchesIn(folder: ByteString, pattern: ByteString): ByteString[] {
  const matches = compileComponent(pattern)!;
  try {
    if (!statSync(toPath(folder)).isDirectory()) return [];
    return (readdirSync(toPath(folder), 'latin1') as ByteString[])
      .filter(matches)
      .sort()
      .map((name) => cleanPath(joinPath(folder, name)) as ByteString);
  } catch {
    return []; // as above
  }
}
