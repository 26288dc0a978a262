import { createHash, randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where `up` keeps what nobody told it a place for (XDG Base Directory Specification). */

type Environment = Readonly<Record<string, string | undefined>>;

/** The specification says to ignore relative paths in these variables. */
const absolute = (path: string | undefined): string | null => (path?.startsWith('/') ? path : null);

export function defaultRepository(env: Environment): string {
  const data = absolute(env.XDG_DATA_HOME) ?? join(env.HOME || homedir(), '.local', 'share');
  return join(data, 'lifeboat', 'repository');
}

export function configFolder(env: Environment): string {
  return join(absolute(env.XDG_CONFIG_HOME) ?? join(env.HOME || homedir(), '.config'), 'lifeboat');
}

const slugMax = 48;

/** Where the generated password of the repository at a location is kept. */
export function keyFileOf(location: string, env: Environment): string {
  const path = /^[a-z0-9]+:/.test(location) ? location : resolve(location);
  const slug = path
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(-slugMax);
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 8);
  return join(configFolder(env), 'keys', `${slug}-${digest}.key`);
}

export function kitFileOf(repositoryId: string, env: Environment): string {
  return join(configFolder(env), `recovery-kit-${repositoryId.slice(0, 8)}.md`);
}

/** Letters and digits that are not mistaken for each other on paper. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
const groups = 8;
const groupLength = 5;

/** 40 letters of 5 bits: 200 bits, in groups that can be typed from paper. */
export function generatePassword(): string {
  const letters = Array.from(randomBytes(groups * groupLength), (byte) => alphabet[byte % alphabet.length]!);
  return Array.from({ length: groups }, (_, n) =>
    letters.slice(n * groupLength, (n + 1) * groupLength).join(''),
  ).join('-');
}
