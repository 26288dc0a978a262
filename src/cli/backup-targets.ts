import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type ByteString, bytesOfBuffer, bytesOfText, isUtf8, toPath, toText } from '../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import { decodeTextFile, trimWhiteSpace } from '../core/text-file.ts';
import { globFiles } from './glob-files.ts';

/** Which files and folders to back up: arguments and the lists in files (restic cmd_backup.go, collectTargets). */

export interface TargetLists {
  readonly filesFrom: readonly string[];
  readonly filesFromVerbatim: readonly string[];
  readonly filesFromRaw: readonly string[];
}

/** Reads a list; `-` is standard input. */
async function readList(option: string, file: string, stdin: Input): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(stdin) : await readFile(file);
  } catch (error) {
    throw new LifeboatError('usage', `--${option}: cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'check the path of the list',
    });
  }
}

/** Lines of UTF-8, of UTF-16 with a byte order mark, or of bytes that are neither. */
function linesOf(list: Buffer): ByteString[] {
  const text = decodeTextFile(list);
  const bytes = text === null ? bytesOfBuffer(list) : bytesOfText(text);
  return bytes.split('\n').map((line) => line.replace(/\r$/, '')) as ByteString[];
}

const trim = (line: ByteString): ByteString =>
  isUtf8(line)
    ? bytesOfText(trimWhiteSpace(toText(line)))
    : (line.replace(outerWhiteSpace, '') as ByteString);
const outerWhiteSpace = /^[\t-\r ]+|[\t-\r ]+$/g;

function expand(pattern: ByteString, warn: (message: string) => void): ByteString[] {
  const found = globFiles(pattern);
  if (found === null)
    throw new LifeboatError('usage', `--files-from: invalid pattern "${toText(pattern)}"`, {
      hint: 'close every [ with ], and write \\\\ for a backslash; or use --files-from-verbatim',
    });
  if (found.length === 0) warn(`pattern "${toText(pattern)}" does not match any files, skipping`);
  return found;
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

type Input = AsyncIterable<Uint8Array>;

/** All targets named, in the order lists first, then arguments. @throws LifeboatError `usage`. */
export async function collectTargets(
  args: readonly string[],
  lists: TargetLists,
  stdin: Input,
  warn: (message: string) => void,
): Promise<ByteString[]> {
  async function each(
    option: string,
    files: readonly string[],
    namesIn: (list: Buffer) => ByteString[],
  ): Promise<ByteString[]> {
    const names: ByteString[] = [];
    for (const file of files) names.push(...namesIn(await readList(option, file, stdin)));
    return names;
  }

  const globbed = await each('files-from', lists.filesFrom, (list) =>
    linesOf(list)
      .map(trim)
      .filter((line) => line !== '' && !line.startsWith('#'))
      .flatMap((line) => expand(line, warn)),
  );
  const verbatim = await each('files-from-verbatim', lists.filesFromVerbatim, (list) =>
    linesOf(list).filter((line) => line !== ''),
  );
  const raw = await each('files-from-raw', lists.filesFromRaw, rawNames);
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
      const why = errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be accessed (${messageOf(error)})`;
      warn(`${toText(path)} ${why}, skipping`);
      return false;
    }
  });
  if (existing.length === 0)
    throw new LifeboatError('source-unreadable', 'none of the files and folders named exists');
  return existing;
}
