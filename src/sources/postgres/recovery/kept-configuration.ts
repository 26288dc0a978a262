import { chownSync, existsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { bytesOfText } from '../../../core/bytestring.ts';
import { makeFolders } from '../../../core/folders.ts';
import type { ConfigurationFile } from '../../../model/postgres-manifest.ts';
import type { Account } from './data-directory.ts';

/** Configuration files that a backup has kept from outside of the data directory. */

export interface KeptFile extends ConfigurationFile {
  readonly content: Buffer;
  readonly permissions: number;
  /** null: whoever writes it. */
  readonly owner: Account | null;
}

/**
 * Puts a file where it was, and never over one that is there. Folders that are missing are made, the innermost one
 * for the file's owner.
 * @throws system errors, EEXIST among them.
 */
export function putBack({ path, content, permissions, owner }: KeptFile): void {
  const folder = dirname(path);
  if (!existsSync(folder)) {
    makeFolders(bytesOfText(folder), 0o755);
    if (owner) chownSync(folder, owner.uid, owner.gid);
  }
  writeFileSync(path, content, { mode: permissions, flag: 'wx' });
  if (owner) chownSync(path, owner.uid, owner.gid);
}

const includeLine = /^\s*(include|include_if_exists|include_dir)\s*=?\s*'((?:[^']|'')*)'/i;
/** They would lead away from the data directory that the file is put into. */
const placeLine = /^\s*(?:data_directory|hba_file|ident_file|external_pid_file)\b/i;
const depthMax = 10;

/**
 * postgresql.conf with what it includes in its place, for a data directory that has none. Included folders give
 * what of them was kept, in the order of the names (ParseConfigDirectory in guc-file.l).
 */
export function flattenConfiguration(path: string, files: ReadonlyMap<string, string>, depth = 0): string {
  const text = files.get(path);
  if (text === undefined || depth > depthMax) return `# ${path} is not in the backup\n`;
  const flatten = (included: string): string =>
    `# begin of ${included}\n${flattenConfiguration(included, files, depth + 1)}# end of ${included}`;
  const lines = text.split('\n').map((line) => {
    const include = includeLine.exec(line);
    if (!include) return placeLine.test(line) ? `# ${line}` : line;
    const target = resolve(dirname(path), include[2]!.replaceAll("''", "'"));
    if (include[1]!.toLowerCase() !== 'include_dir') return flatten(target);
    return [...files.keys()]
      .filter((each) => dirname(each) === target && /^[^.].*\.conf$/.test(basename(each)))
      .sort()
      .map(flatten)
      .join('\n');
  });
  const flat = lines.join('\n');
  return flat.endsWith('\n') ? flat : `${flat}\n`;
}

/** Files to write into a data directory that is to start by itself, by their names there. */
export function adaptedConfiguration(kept: readonly KeptFile[]): { name: string; content: string }[] {
  const texts = new Map(kept.map(({ path, content }) => [path, content.toString('utf8')]));
  const textOf = (role: ConfigurationFile['role']): string | null => {
    const file = kept.find((each) => each.role === role);
    return file ? file.content.toString('utf8') : null;
  };
  const main = kept.find(({ role }) => role === 'main');
  if (!main) return [];
  const head = `# From ${main.path} of the original, as it was when the backup was taken.\n`;
  return [
    { name: 'postgresql.conf', content: head + flattenConfiguration(main.path, texts) },
    { name: 'pg_hba.conf', content: textOf('hba') ?? 'local all all peer\n' },
    { name: 'pg_ident.conf', content: textOf('ident') ?? '' },
  ];
}

/** @returns paths of what was written. */
export function writeAdapted(
  dataDirectory: string,
  kept: readonly KeptFile[],
  write: (path: string, content: string) => void,
): string[] {
  return adaptedConfiguration(kept).map(({ name, content }) => {
    const path = join(dataDirectory, name);
    write(path, content);
    return path;
  });
}
