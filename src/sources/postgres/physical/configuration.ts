import { lstatSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bytesOfText } from '../../../core/bytestring.ts';
import { errnoOf, messageOf } from '../../../core/errors.ts';
import type { ConfigurationFile } from '../../../model/postgres-manifest.ts';
import type { SourceEntry } from '../../../model/source-entry.ts';
import { groupName, userName } from '../../../transport/accounts.ts';
import type { SqlSession } from '../connection/session.ts';

/** Configuration that lies outside of the data directory, as Debian keeps it: no base backup of the server has it. */

export interface ReadConfiguration {
  /** Below `SOURCE/config`, each at its own path. */
  readonly entries: readonly SourceEntry[];
  readonly files: readonly ConfigurationFile[];
}

const fileBytesMax = 1024 * 1024;
const settings = { config_file: 'main', hba_file: 'hba', ident_file: 'ident' } as const;
/** What Debian's tools keep beside postgresql.conf. */
const debianNames = ['environment', 'pg_ctl.conf', 'start.conf'];

/** Paths of the files that the server reads, as far as the role may see them. */
async function listFiles(session: SqlSession): Promise<ConfigurationFile[]> {
  const named = await session.query<{ name: keyof typeof settings; path: string }>(
    'select name, setting as path from pg_catalog.pg_settings where name = any ($1) and setting is not null',
    [Object.keys(settings)],
  );
  const files: ConfigurationFile[] = named.map(({ name, path }) => ({ path, role: settings[name] }));
  const main = files.find(({ role }) => role === 'main');
  if (!main) return files;
  files.push(...(await listIncluded(session)));
  if (main.path.startsWith('/etc/postgresql/'))
    for (const name of debianNames) files.push({ path: join(dirname(main.path), name), role: 'other' });
  return files;
}

/** Only superusers may look unless it was granted; asking first keeps an error out of the server's log. */
async function listIncluded(session: SqlSession): Promise<ConfigurationFile[]> {
  const [row] = await session.query<{ may: boolean }>(
    `select pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'select')
        and pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute') as may`,
  );
  if (!row?.may) return [];
  const rows = await session.query<{ path: string }>(
    'select distinct sourcefile as path from pg_catalog.pg_file_settings where sourcefile is not null order by 1',
  );
  return rows.map(({ path }) => ({ path, role: 'included' }));
}

function ownerOf(stat: { readonly uid: bigint; readonly gid: bigint }) {
  const [uid, gid] = [Number(stat.uid), Number(stat.gid)];
  const [user, group] = [userName(uid), groupName(gid)];
  return { uid, gid, ...(user ? { user } : {}), ...(group ? { group } : {}) };
}

function folderEntry(root: string, path: string): SourceEntry {
  const stat = lstatSync(path, { bigint: true });
  return {
    path: bytesOfText(`${root}${path}`),
    type: 'dir',
    permissions: Number(stat.mode & 0o7777n),
    ...ownerOf(stat),
    mtimeNs: stat.mtimeNs,
  };
}

/** @throws system errors where it cannot be read. */
function fileEntry(root: string, path: string): SourceEntry {
  const stat = statSync(path, { bigint: true });
  if (!stat.isFile() || stat.size > fileBytesMax)
    throw new Error(`it is no file of at most ${fileBytesMax} bytes`);
  return {
    path: bytesOfText(`${root}${path}`),
    type: 'file',
    permissions: Number(stat.mode & 0o7777n),
    ...ownerOf(stat),
    mtimeNs: stat.mtimeNs,
    content: { kind: 'bytes', bytes: readFileSync(path) },
  };
}

function foldersAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) above.unshift(at);
  return above;
}

/**
 * Reads what of the server's configuration lies elsewhere. What cannot be read is warned of and left out.
 * @param dataDirectory as this machine sees it. @param own as the server sees it, or null where it does not say.
 */
export async function readConfiguration(
  session: SqlSession,
  source: string,
  { dataDirectory, own }: { readonly dataDirectory: string; readonly own: string | null },
  warn: (message: string) => void,
): Promise<ReadConfiguration> {
  const inside = [dataDirectory, ...(own === null ? [] : [own])].map((folder) => `${folder}/`);
  const outside = (await listFiles(session)).filter(
    ({ path }) => path.startsWith('/') && !inside.some((folder) => path.startsWith(folder)),
  );
  const folders = new Map<string, SourceEntry>();
  const entries: SourceEntry[] = [];
  const files: ConfigurationFile[] = [];
  const root = `${source}/config`;
  // Paths of a server in a container are none of this machine's.
  const elsewhere = own !== null && own !== dataDirectory;
  for (const file of outside) {
    const { path, role } = file;
    if (files.some((each) => each.path === path)) continue;
    try {
      if (elsewhere) throw new Error(`the server sees other paths than this machine (${own})`);
      const entry = fileEntry(root, path);
      for (const folder of foldersAbove(path)) {
        if (!folders.has(folder)) folders.set(folder, folderEntry(root, folder));
      }
      entries.push(entry);
      files.push(file);
    } catch (error) {
      if (role === 'other' && errnoOf(error) === 'ENOENT') continue;
      warn(`the configuration file ${path} is not in the backup: ${messageOf(error)}`);
    }
  }
  return { entries: [...folders.values(), ...entries], files };
}
