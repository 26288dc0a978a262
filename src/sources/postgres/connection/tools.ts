import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LifeboatError } from '../../../core/errors.ts';
import { runTool } from '../../../transport/run-tool.ts';

/** Finding PostgreSQL's own programs in the version that a server needs. */

export interface Tool {
  readonly path: string;
  /** As server_version_num: 150019. */
  readonly version: number;
  readonly major: number;
}

export interface ToolWanted {
  /** The server's. */
  readonly major: number;
  /** Where to look, and nowhere else; null looks where packages put them and in PATH. */
  readonly binDirectory: string | null;
  /** For programs that run or read a data directory: another major version will not do. */
  readonly sameMajor?: boolean;
}

/** Folders with one subfolder for each major version, and how the version's name begins and goes on. */
const versionedFolders: readonly { readonly root: string; readonly prefix: string; readonly bin: string }[] =
  [
    { root: '/usr/lib/postgresql', prefix: '', bin: 'bin' }, // Debian, Ubuntu
    { root: '/usr', prefix: 'pgsql-', bin: 'bin' }, // packages of postgresql.org for Red Hat
    { root: '/usr/libexec', prefix: 'postgresql', bin: '' }, // Alpine
    { root: '/opt/homebrew/opt', prefix: 'postgresql@', bin: 'bin' },
    { root: '/usr/local/opt', prefix: 'postgresql@', bin: 'bin' },
    { root: '/Library/PostgreSQL', prefix: '', bin: 'bin' },
    { root: '/Applications/Postgres.app/Contents/Versions', prefix: '', bin: 'bin' },
  ];
const plainFolders = ['/opt/homebrew/opt/libpq/bin', '/usr/local/opt/libpq/bin', '/usr/local/pgsql/bin'];

function versionsBelow({
  root,
  prefix,
  bin,
}: (typeof versionedFolders)[number]): { major: number; folder: string }[] {
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((name) => {
    const version = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    return /^\d+$/.test(version) ? [{ major: Number(version), folder: join(root, name, bin) }] : [];
  });
}

/** Folders to look into: of the wanted version first, then newer ones, then PATH, then older ones. */
function searchFolders({ major, binDirectory }: ToolWanted): string[] {
  if (binDirectory !== null) return [binDirectory];
  const rank = (of: number): number => (of >= major ? of - major : 1000 - of);
  const versioned = versionedFolders.flatMap(versionsBelow).sort((a, b) => rank(a.major) - rank(b.major));
  const fitting = versioned.filter((each) => each.major >= major).map(({ folder }) => folder);
  const older = versioned.filter((each) => each.major < major).map(({ folder }) => folder);
  const inPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set([...fitting, ...inPath, ...plainFolders, ...older])];
}

/** `pg_dump (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)` → 150019, `9.6.24` → 90624; null for anything else. */
export function parseToolVersion(text: string): number | null {
  const match = /\(PostgreSQL\) (\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  if (!match) return null;
  const [major, second, third] = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
  return major >= 10 ? major * 10_000 + second : major * 10_000 + second * 100 + third;
}

/** null where the program does not run or is none of PostgreSQL's. */
async function inspectTool(path: string): Promise<Tool | null> {
  const { status, stdout } = await runTool({
    program: path,
    args: ['--version'],
    env: { LC_ALL: 'C' },
    cwd: '/',
  });
  const version = status === 0 ? parseToolVersion(stdout.toString()) : null;
  return version === null ? null : { path, version, major: Math.floor(version / 10_000) };
}

const serverPrograms =
  /^(?:pg_ctl|postgres|initdb|pg_controldata|pg_resetwal|pg_waldump|pg_rewind|pg_checksums)$/;

function installHint(name: string, major: number): string {
  const [debian, redHat, alpine] = serverPrograms.test(name)
    ? [`postgresql-${major}`, `postgresql${major}-server`, `postgresql${major}`]
    : [`postgresql-client-${major}`, `postgresql${major}`, `postgresql${major}-client`];
  return `install ${debian} (Debian, Ubuntu), ${redHat} (Red Hat), ${alpine} (Alpine) or postgresql@${major} (Homebrew), or name the folder of the programs`;
}

const printed = (version: number): string =>
  version >= 100_000 ? `${Math.floor(version / 10_000)}.${version % 10_000}` : String(version / 10_000);

/** @throws LifeboatError `tool-missing`, `tool-older-than-server` */
export async function findTool(name: string, wanted: ToolWanted): Promise<Tool> {
  const { major, binDirectory, sameMajor = false } = wanted;
  const found: Tool[] = [];
  for (const folder of searchFolders(wanted)) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    const tool = await inspectTool(path);
    // The first folders are those of the version itself: nothing better comes.
    if (tool?.major === major) return tool;
    if (tool) found.push(tool);
  }
  const newer = found.filter((tool) => tool.major > major).sort((a, b) => a.version - b.version)[0];
  if (newer && !sameMajor) return newer;
  const hint = installHint(name, major);
  const newest = found.sort((a, b) => b.version - a.version)[0];
  const where = binDirectory === null ? 'on this machine' : `in ${binDirectory}`;
  if (!newest) {
    throw new LifeboatError('tool-missing', `${name} of PostgreSQL ${major} was not found ${where}`, {
      hint,
    });
  }
  if (newer) {
    throw new LifeboatError(
      'tool-missing',
      `${name} of PostgreSQL ${major} is needed, and only ${found.map(({ version }) => printed(version)).join(', ')} is ${where}`,
      { hint },
    );
  }
  throw new LifeboatError(
    'tool-older-than-server',
    `the server is PostgreSQL ${major}, and ${newest.path} is of version ${printed(newest.version)}, which is older`,
    { hint },
  );
}
