import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import {
  holdsRelations,
  isEmptied,
  isExcludedName,
  isTemporaryRelation,
  relationFile,
  unloggedRelations,
} from './exclusions.ts';

/** An entry of a data directory that belongs into a backup. */
export interface FoundEntry {
  /** Relative to the data directory; a tablespace's entries are below `pg_tblspc/OID`. */
  readonly path: string;
  /** Where it lies. */
  readonly location: string;
  readonly type: 'file' | 'dir' | 'symlink';
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly linkTarget: string | null;
  /** Of a relation's file: number of its segment; null for others. */
  readonly segment: number | null;
}

export interface Tablespace {
  readonly oid: number;
  readonly location: string;
}

export interface WalkResult {
  readonly entries: FoundEntry[];
  readonly tablespaces: Tablespace[];
  readonly warnings: string[];
}

/** Read beside the others: its last state must be the newest of all (basebackup.c sends it last). */
export const controlFile = 'global/pg_control';

/**
 * Looks at all that a backup of the data directory keeps; what vanishes meanwhile is normal in a running server.
 *
 * @param versionFolder the folder of this server in a tablespace, such as `PG_15_202209061`; others belong to other servers.
 * @throws LifeboatError `source-unreadable` where a folder or an entry cannot be looked at.
 */
export function walkDataDirectory(dataDirectory: string, versionFolder: string): WalkResult {
  const entries: FoundEntry[] = [];
  const tablespaces: Tablespace[] = [];
  const warnings: string[] = [];

  function look(location: string): ReturnType<typeof lstatNow> | null {
    try {
      return lstatNow(location);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw unreadable(location, error);
    }
  }

  function namesIn(location: string): string[] {
    try {
      const names = readdirSync(location).sort();
      // Node has put U+FFFD for what is no UTF-8, so nothing is found by that name.
      const strange = names.filter((name) => name.includes('\ufffd') && !look(join(location, name)));
      for (const name of strange) warnings.push(`${join(location, name)} is left out: its name is not UTF-8`);
      return names;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw unreadable(location, error);
    }
  }

  function add(path: string, location: string, stat: Stat, more: Partial<FoundEntry>): void {
    entries.push({
      path,
      location,
      type: 'file',
      permissions: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: Number(stat.size),
      mtimeNs: stat.mtimeNs,
      linkTarget: null,
      segment: null,
      ...more,
    });
  }

  /** A folder that is a link is kept as a folder where PostgreSQL allows it to be one elsewhere (pg_wal). */
  function walkFolder(path: string, location: string): void {
    const names = namesIn(location);
    const relations = holdsRelations(path);
    const unlogged = relations ? unloggedRelations(names) : null;
    for (const name of names) {
      if (isExcludedName(name) || (relations && isTemporaryRelation(name))) continue;
      const relation = relations ? relationFile(name) : null;
      if (relation && relation.fork !== 'init' && unlogged!.has(relation.relation)) continue;
      walkEntry(path === '' ? name : `${path}/${name}`, join(location, name), relation?.segment ?? null);
    }
  }

  function walkEntry(path: string, location: string, segment: number | null): void {
    if (path === controlFile) return;
    const stat = look(location);
    if (!stat) return;
    if (stat.isDirectory() || (stat.isSymbolicLink() && path === 'pg_wal')) {
      const folder = stat.isDirectory() ? stat : statSync(location, { bigint: true });
      add(path, location, folder, { type: 'dir', size: 0 });
      if (path === 'pg_wal')
        for (const child of ['archive_status', 'summaries']) walkEmpty(path, location, child);
      else if (!isEmptied(path)) walkFolder(path, location);
    } else if (stat.isSymbolicLink()) {
      walkLink(path, location, stat);
    } else if (stat.isFile()) {
      add(path, location, stat, { segment });
    }
    // Sockets and fifos are made by whoever listens on them.
  }

  function walkEmpty(path: string, location: string, child: string): void {
    const stat = look(join(location, child));
    if (stat?.isDirectory()) add(`${path}/${child}`, join(location, child), stat, { type: 'dir', size: 0 });
  }

  function walkLink(path: string, location: string, stat: Stat): void {
    const linkTarget = readlinkSync(location);
    add(path, location, stat, { type: 'symlink', size: 0, linkTarget });
    const oid = /^pg_tblspc\/(\d+)$/.exec(path)?.[1];
    if (oid === undefined) {
      if (/^(?:base|global|pg_xact|pg_multixact)(?:\/|$)/.test(path))
        throw new LifeboatError('source-unreadable', `${location} is a symbolic link to ${linkTarget}`, {
          hint: 'PostgreSQL keeps only tablespaces and pg_wal outside of its data directory; move it back, or use a tablespace',
        });
      warnings.push(`${location} is a link; it is kept as a link, without what it points to (${linkTarget})`);
      return;
    }
    const real = realpathSync(location);
    tablespaces.push({ oid: Number(oid), location: linkTarget });
    const folder = join(real, versionFolder);
    const folderStat = look(folder);
    if (!folderStat) return;
    add(`${path}/${versionFolder}`, folder, folderStat, { type: 'dir', size: 0 });
    walkFolder(`${path}/${versionFolder}`, folder);
  }

  walkFolder('', dataDirectory);
  return { entries, tablespaces, warnings };
}

type Stat = ReturnType<typeof lstatNow>;

function lstatNow(location: string) {
  return lstatSync(location, { bigint: true });
}

function unreadable(location: string, error: unknown): LifeboatError {
  return new LifeboatError('source-unreadable', `cannot read ${location}: ${messageOf(error)}`, {
    cause: error,
    hint: 'run Lifeboat as the account of the server (such as postgres) or as root, or set `way: remote` for this source',
  });
}
