import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import process from 'node:process';
import { type ByteString, joinPath, toPath, toText } from '../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { makeFolders } from '../../core/folders.ts';
import { listXattrs, lstatFast } from '../../transport/posix.ts';
import { listNames } from './targets.ts';

/**
 * What a restore does to the folder it restores into. Nothing here follows a symlink in the last part of a
 * path; the restore makes sure of the folders above, one after the other from the target down.
 */

/** Until its own metadata is set, nobody else looks into what was just made. */
const privateFolderMode = 0o700;
const privateFileMode = 0o600;
const setgidBit = 0o2000;
const newFileFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const openFileFlags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Errors that say: the file system or a limit of it does not let this file have another name. */
const linkRefusals = new Set(['EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Makes the folder to restore into, with all above it. @throws LifeboatError `target-failed`. */
export function makeTargetFolder(path: ByteString): void {
  try {
    makeFolders(path, privateFolderMode);
  } catch (error) {
    throw new LifeboatError(
      'target-failed',
      `cannot create the target folder ${toText(path)}: ${messageOf(error)}`,
      { cause: error, hint: 'choose a target that is a folder, or one that can be made' },
    );
  }
}

/** Removes what is at a path: with `recursive` also a folder with all in it. Absent is no failure. */
export function removeObstacle(path: ByteString, recursive: boolean): void {
  try {
    unlinkSync(toPath(path));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
    if (recursive) removeFolder(path);
    else rmdirSync(toPath(path));
  }
}

/** Removes a folder and all in it; symlinks in it are removed, never followed. */
function removeFolder(path: ByteString): void {
  for (const name of listNames(path)) {
    const inner = joinPath(path, name);
    if (lstatSync(toPath(inner)).isDirectory()) removeFolder(inner);
    else unlinkSync(toPath(inner));
  }
  rmdirSync(toPath(path));
}

/** Paths of what is at a path and in it, the deepest first. */
export function listRecursively(path: ByteString): ByteString[] {
  const found: ByteString[] = [];
  const list = (at: ByteString): void => {
    if (lstatSync(toPath(at)).isDirectory()) for (const name of listNames(at)) list(joinPath(at, name));
    found.push(at);
  };
  list(path);
  return found;
}

/** Makes sure that a real folder is at a path, in place of a file or symlink that may be there. */
export function ensureFolder(path: ByteString): void {
  try {
    mkdirSync(toPath(path), privateFolderMode);
    return;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const stat = lstatSync(toPath(path));
  if (!stat.isDirectory()) {
    removeObstacle(path, false);
    mkdirSync(toPath(path), privateFolderMode);
  } else if (process.geteuid?.() !== 0 && (stat.mode & privateFolderMode) !== privateFolderMode) {
    // An interrupted restore may have set the folder's own permissions already.
    chmodSync(toPath(path), (stat.mode & 0o7777) | privateFolderMode);
  }
}

/**
 * Whether new files in a folder get this process's owner and group and no extended attributes of the
 * folder, such as a default ACL or a label.
 */
export function isPlainFolder(path: ByteString): boolean {
  try {
    const { mode, gid } = lstatFast(path);
    return (mode & setgidBit) === 0 && gid === process.getegid?.() && listXattrs(path).length === 0;
  } catch {
    // Nothing is taken for granted of a folder that cannot be looked at.
    return false;
  }
}

/** Lets the owner write a file whose permissions say that it is read-only. Root needs no permission. */
export function makeWritable(path: ByteString, mode: number): void {
  if (process.geteuid?.() !== 0 && (mode & privateFileMode) !== privateFileMode)
    chmodSync(toPath(path), (mode & 0o7777) | privateFileMode);
}

export interface SizedFile {
  readonly size: number;
  /** A regular file is there and some of its content stays. */
  readonly keep: boolean;
  /** A regular file is there. */
  readonly existing: boolean;
}

/** Makes a file of this size for others to write parts of: a new one, an emptied one, or the one that is there. */
export function prepareSizedFile(path: ByteString, { size, keep, existing }: SizedFile): void {
  const flags = !existing ? newFileFlags : keep ? openFileFlags : openFileFlags | constants.O_TRUNC;
  const fd = openSync(toPath(path), flags, privateFileMode);
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
}

/** Gives a restored file a second name. False where the file system refuses such links. */
export function linkFile(existing: ByteString, path: ByteString): boolean {
  const link = (): void => linkSync(toPath(existing), toPath(path));
  try {
    try {
      link();
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      removeObstacle(path, false);
      link();
    }
    return true;
  } catch (error) {
    if (linkRefusals.has(errnoOf(error))) return false;
    throw error;
  }
}

/** Names in a folder; null where there is none. */
export function namesInFolder(path: ByteString): ByteString[] | null {
  try {
    return readdirSync(toPath(path), { encoding: 'latin1' }) as string[] as ByteString[];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** Writes parts one after the other into a file that is there, from its beginning. */
export async function writeParts(
  path: ByteString,
  parts: number,
  load: (part: number) => Promise<Uint8Array>,
): Promise<void> {
  const fd = openSync(toPath(path), openFileFlags);
  try {
    let position = 0;
    for (let part = 0; part < parts; part++) {
      const bytes = await load(part);
      for (let done = 0; done < bytes.length; )
        done += writeSync(fd, bytes, done, bytes.length - done, position + done);
      position += bytes.length;
    }
  } finally {
    closeSync(fd);
  }
}
