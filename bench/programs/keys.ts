import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from '../measure/process.ts';
import { benchPassword, type Program } from './program.ts';

/**
 * Each program opens a repository with a key that it made itself, as its users do: what deriving a key costs
 * is a decision of the program (docs/decisions/0003) and part of the time of each of its commands. The master
 * key and the chunker's polynomial are the same for both.
 */
const lifeboatUser = 'lifeboat';

/** Creates a repository with the program, and adds Lifeboat's own key. */
export async function initialise(repository: string, program: Program, lifeboat: Program): Promise<void> {
  await measure(program.command(repository, 'init'));
  if (program === lifeboat) return;
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-bench-'));
  try {
    const file = join(folder, 'password');
    writeFileSync(file, benchPassword);
    await measure(
      lifeboat.command(repository, 'key', 'add', '--user', lifeboatUser, '--new-password-file', file),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface KeyFile {
  readonly username?: string;
}

/** The key to open a repository with: Lifeboat's own, or the other one. undefined where there is only one. */
export function keyHint(repository: string, forLifeboat: boolean): string | undefined {
  const folder = join(repository, 'keys');
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return undefined; // no repository yet: it is being created
  }
  const isLifeboats = (name: string): boolean =>
    (JSON.parse(readFileSync(join(folder, name), 'utf8')) as KeyFile).username === lifeboatUser;
  return names.length < 2 ? undefined : names.find((name) => isLifeboats(name) === forLifeboat);
}

/** The environment variable with the hint, where there is one. */
export function hintVariable(name: string, hint: string | undefined): Record<string, string> {
  return hint === undefined ? {} : { [name]: hint };
}
