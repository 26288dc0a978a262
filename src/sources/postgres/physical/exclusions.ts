/**
 * What a physical backup leaves out, as the server's own base backup does (basebackup.c: excludeDirContents,
 * excludeFiles, noChecksumFiles; reinit.c for unlogged relations). Names and paths are relative to the data directory.
 */

/** Folders that are kept, empty: their content is made anew when the server starts. */
const emptiedFolders = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_wal',
]);

const excludedNames = new Set([
  'postgresql.auto.conf.tmp',
  'current_logfiles.tmp',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'backup_manifest',
  'postmaster.pid',
  'postmaster.opts',
  'recovery.signal',
  'standby.signal',
]);

const excludedBeginnings = ['pg_internal.init', 'pgsql_tmp'];

/** Whether the folder is kept without what is in it. */
export function isEmptied(path: string): boolean {
  return emptiedFolders.has(path);
}

/** Whether a file or folder is left out wherever it lies. */
export function isExcludedName(name: string): boolean {
  return excludedNames.has(name) || excludedBeginnings.some((beginning) => name.startsWith(beginning));
}

/** Whether the file says how a server is to start. The server's own base backup has them, and so would a restored one. */
export function isSignal(name: string): boolean {
  return name === 'standby.signal' || name === 'recovery.signal';
}

/** Forks of a relation; `main` has no suffix in file names. */
export type Fork = 'main' | 'fsm' | 'vm' | 'init';

export interface RelationFile {
  readonly relation: string;
  readonly fork: Fork;
  /** Files of 1 GB each, from 0. */
  readonly segment: number;
}

/** The relation's file of a name such as `16384_vm.2`, or null for anything else (parse_filename_for_nontemp_relation). */
export function relationFile(name: string): RelationFile | null {
  const match = /^(\d{1,10})(?:_(fsm|vm|init))?(?:\.(\d{1,6}))?$/.exec(name);
  if (!match) return null;
  return {
    relation: match[1]!,
    fork: (match[2] as Fork | undefined) ?? 'main',
    segment: Number(match[3] ?? 0),
  };
}

/** A relation of one session, gone with it: `t3_16384` (looks_like_temp_rel_name). */
export function isTemporaryRelation(name: string): boolean {
  return /^t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/.test(name);
}

/** Whether files of the folder are relations of a database, as `base/16384` or a tablespace's `PG_15_202209061/16384`. */
export function holdsRelations(folder: string): boolean {
  return folder === 'global' || /^base\/\d+$/.test(folder) || /^pg_tblspc\/\d+\/PG_[^/]+\/\d+$/.test(folder);
}

/** Relations of the folder that are unlogged: what they hold is worth nothing after a crash, so only `init` forks stay. */
export function unloggedRelations(names: readonly string[]): Set<string> {
  const relations = names.map(relationFile).filter((file) => file?.fork === 'init');
  return new Set(relations.map((file) => file!.relation));
}
