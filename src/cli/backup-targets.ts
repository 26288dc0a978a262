import { globSync, lstatSync, readFileSync } from 'node:fs';
import { type ByteString, bytesOfBuffer, bytesOfText, toPath, toText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';

/** Which files and folders to back up: arguments and the lists in files (restic cmd_backup.go, collectTargets). */

export interface TargetLists {
  readonly filesFrom: readonly string[];
  readonly filesFromVerbatim: readonly string[];
  readonly filesFromRaw: readonly string[];
}

function readList(option: string, file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new LifeboatError('usage', `--${option}: cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'check the path of the list',
    });
  }
}

const linesOf = (bytes: Buffer): ByteString[] =>
  bytesOfBuffer(bytes)
    .split('\n')
    .map((line) => line.replace(/\r$/, '')) as ByteString[];

function expand(pattern: ByteString, warn: (message: string) => void): ByteString[] {
  if (!/[*?[{]/.test(pattern)) return [pattern];
  const found = globSync(toText(pattern)).sort();
  if (found.length === 0) warn(`pattern "${toText(pattern)}" does not match any files, skipping`);
  return found.map(bytesOfText);
}

function rawNames(bytes: Buffer): ByteString[] {
  const names = bytesOfBuffer(bytes).split('\0') as ByteString[];
  if (names.pop() !== '')
    throw new LifeboatError('usage', '--files-from-raw: the last name is not ended by a zero byte', {
      hint: 'make the list with `find … -print0`',
    });
  if (names.includes('' as ByteString))
    throw new LifeboatError('usage', '--files-from-raw: the list has an empty name', {
      hint: 'make the list with `find … -print0`',
    });
  return names;
}

/** All targets named, in the order lists first, then arguments. @throws LifeboatError `usage`. */
export function collectTargets(
  args: readonly string[],
  lists: TargetLists,
  warn: (message: string) => void,
): ByteString[] {
  const globbed = lists.filesFrom.flatMap((file) =>
    linesOf(readList('files-from', file))
      .map((line) => line.trim() as ByteString)
      .filter((line) => line !== '' && !line.startsWith('#'))
      .flatMap((line) => expand(line, warn)),
  );
  const verbatim = lists.filesFromVerbatim.flatMap((file) =>
    linesOf(readList('files-from-verbatim', file)).filter((line) => line !== ''),
  );
  const raw = lists.filesFromRaw.flatMap((file) => rawNames(readList('files-from-raw', file)));
  const targets = [...globbed, ...verbatim, ...raw, ...args.map(bytesOfText)];
  if (targets.length === 0) {
    throw new LifeboatError('usage', 'nothing to back up: no file or folder is named', {
      hint: 'name at least one file or folder, or give --files-from, --stdin or --stdin-from-command',
    });
  }
  return targets;
}

/**
 * Leaves out targets that do not exist, with a warning each.
 * @throws LifeboatError `source-unreadable` where none exists.
 */
export function existingTargets(
  targets: readonly ByteString[],
  warn: (message: string) => void,
): ByteString[] {
  const existing = targets.filter((path) => {
    try {
      lstatSync(toPath(path));
      return true;
    } catch (error) {
      warn(`${toText(path)} cannot be backed up, skipping: ${messageOf(error)}`);
      return false;
    }
  });
  if (existing.length === 0)
    throw new LifeboatError('source-unreadable', 'none of the files and folders named exists');
  return existing;
}
