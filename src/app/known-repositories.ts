import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesOfText } from '../core/bytestring.ts';
import { errnoOf } from '../core/errors.ts';
import { makeFolders } from '../core/folders.ts';
import { type KnownRepository, parseKnownRepository, unknownRepository } from '../model/known-repository.ts';

/**
 * One small file for each repository of the configuration, in Lifeboat's state folder: what it held when it was last
 * seen, and how its last check ended. The folder may be deleted; then a repository that is out of reach is unknown.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** `$XDG_STATE_HOME/lifeboat`, else /var/lib/lifeboat/state for root and ~/.local/state/lifeboat for others. */
export function stateFolder(env: Environment, isRoot = process.geteuid?.() === 0): string {
  if (env.XDG_STATE_HOME?.startsWith('/')) return join(env.XDG_STATE_HOME, 'lifeboat');
  return isRoot ? '/var/lib/lifeboat/state' : join(env.HOME || homedir(), '.local', 'state', 'lifeboat');
}

/** Locations may be long, and hold what no name of a file may. */
function fileOf(location: string, env: Environment): string {
  const name = createHash('sha256').update(location).digest('hex').slice(0, 32);
  return join(stateFolder(env), 'repositories', `${name}.json`);
}

/** @returns null where nothing is known, also where what is written there cannot be read. */
export async function readKnown(location: string, env: Environment): Promise<KnownRepository | null> {
  try {
    return parseKnownRepository(await readFile(fileOf(location, env), 'utf8'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error))) return null;
    throw error;
  }
}

/**
 * Notes something about a repository; all else that is known of it stays. Replaced as a whole and at once, so that
 * readers see the old or the new.
 * @param shown the location without secrets.
 * @throws system errors.
 */
export async function noteKnown(
  location: string,
  shown: string,
  facts: Partial<Pick<KnownRepository, 'repository' | 'seenAt' | 'sources' | 'verified'>>,
  env: Environment,
): Promise<void> {
  const path = fileOf(location, env);
  const before = (await readKnown(location, env)) ?? unknownRepository(shown);
  // Another repository at the same place, such as on another medium, inherits nothing.
  const isOther =
    typeof facts.repository === 'string' &&
    before.repository !== null &&
    facts.repository !== before.repository;
  const known = isOther ? unknownRepository(shown) : before;
  const sources = { ...known.sources, ...facts.sources };
  const next: KnownRepository = { ...known, ...facts, location: shown, sources };
  makeFolders(bytesOfText(dirname(path)), 0o700);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(next, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
