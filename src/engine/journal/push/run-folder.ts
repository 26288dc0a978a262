import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOfText } from '../../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import { makeFolders } from '../../../core/folders.ts';

/**
 * The folder in which processes of this machine find each other: sockets, markers and status files. What is in it
 * is believed, so nobody but its owner may write there.
 */

type Environment = Readonly<Record<string, string | undefined>>;

export const systemRunFolder = '/run/lifeboat';

/** Where it may be, best first. `bin/lifeboat` looks at LIFEBOAT_RUN_DIR, else at the system's. */
function candidates(env: Environment): string[] {
  if (env.LIFEBOAT_RUN_DIR) return [env.LIFEBOAT_RUN_DIR];
  const own = env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'lifeboat')] : [];
  return [systemRunFolder, ...own, join(tmpdir(), `lifeboat-${process.getuid?.() ?? 'user'}`)];
}

/** Why a folder cannot be believed or used, or null. */
async function objection(path: string, toWrite: boolean): Promise<string | null> {
  const self = process.geteuid?.();
  let found: Awaited<ReturnType<typeof lstat>>;
  try {
    found = await lstat(path);
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'does not exist' : messageOf(error);
  }
  if (!found.isDirectory()) return 'is no folder';
  if ((found.mode & 0o022) !== 0) return 'can be written by others';
  const mine = self === undefined || found.uid === self;
  if (toWrite) return mine || self === 0 ? null : 'belongs to another user';
  // In the system's folder for such things only root makes entries; elsewhere anyone may have come first.
  return mine || found.uid === 0 || path === systemRunFolder ? null : 'belongs to another user';
}

/** The folder of a process that serves others; made where it is missing. @throws LifeboatError `private-file-failed`. */
export async function makeRunFolder(env: Environment): Promise<string> {
  const problems: string[] = [];
  for (const path of candidates(env)) {
    try {
      if (env.LIFEBOAT_RUN_DIR === undefined) await mkdir(path, 0o755);
      else makeFolders(bytesOfText(path), 0o755);
    } catch {
      // Looking at it says why.
    }
    const problem = await objection(path, true);
    if (problem === null) return path;
    problems.push(`${path} ${problem}`);
  }
  throw new LifeboatError('private-file-failed', `no folder for sockets: ${problems.join('; ')}`, {
    hint: 'name one with LIFEBOAT_RUN_DIR that only its owner may write to',
  });
}

/** The folders in which a process that serves may be found. */
export async function findRunFolders(env: Environment): Promise<string[]> {
  const found: string[] = [];
  for (const path of candidates(env)) if ((await objection(path, false)) === null) found.push(path);
  return found;
}

/** The paths of sockets may not be longer than about 100 bytes, so that the subject's name does not fit. */
export function socketPath(folder: string, subject: string): string {
  return join(folder, `${createHash('sha256').update(subject).digest('hex').slice(0, 16)}.sock`);
}
