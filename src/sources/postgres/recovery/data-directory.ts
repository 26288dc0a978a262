import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../../core/errors.ts';
import { groupId, userId } from '../../../transport/accounts.ts';
import { runTool } from '../../../transport/run-tool.ts';
import { isWholeControlFile, systemIdentifierOf } from '../physical/control-file.ts';

/** What is at the place that a cluster is to be restored into. */

/** Marks a data directory whose restore has begun and not ended. */
export const markerName = 'lifeboat-restore.json';

export interface RestoreMarker {
  readonly version: 1;
  readonly source: string;
  readonly system: string;
  readonly snapshot: string;
}

export type TargetState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'empty' }
  /** A cluster, whole or not. */
  | { readonly kind: 'cluster'; readonly system: string | null }
  /** A restore of ours that did not end. */
  | { readonly kind: 'interrupted'; readonly marker: RestoreMarker }
  | { readonly kind: 'foreign'; readonly names: readonly string[] };

/** Names that a fresh file system has at its root. */
const harmlessNames = new Set(['lost+found']);

function readMarker(directory: string): RestoreMarker | null {
  try {
    const parsed = JSON.parse(readFileSync(join(directory, markerName), 'utf8')) as Partial<RestoreMarker>;
    const { version, source, system, snapshot } = parsed;
    if (version !== 1 || typeof source !== 'string' || typeof system !== 'string') return null;
    return { version, source, system, snapshot: String(snapshot) };
  } catch {
    return null; // none, or one that was cut off as it was written: the folder is judged without it
  }
}

export function inspectTarget(directory: string): TargetState {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => !harmlessNames.has(name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { kind: 'absent' };
    if (errnoOf(error) === 'ENOTDIR') return { kind: 'foreign', names: [] };
    throw error;
  }
  if (names.length === 0) return { kind: 'empty' };
  const marker = readMarker(directory);
  if (marker) return { kind: 'interrupted', marker };
  if (names.every((name) => name === markerName)) return { kind: 'empty' };
  if (!names.includes('PG_VERSION')) return { kind: 'foreign', names: names.slice(0, 5) };
  return { kind: 'cluster', system: systemOf(directory) };
}

function systemOf(directory: string): string | null {
  try {
    const bytes = readFileSync(join(directory, 'global', 'pg_control'));
    return isWholeControlFile(bytes) ? systemIdentifierOf(bytes) : null;
  } catch {
    return null; // without a control file it is no cluster that could start
  }
}

export function writeMarker(directory: string, marker: RestoreMarker): void {
  writeFileSync(join(directory, markerName), `${JSON.stringify(marker)}\n`, { mode: 0o600 });
}

export function removeMarker(directory: string): void {
  rmSync(join(directory, markerName), { force: true });
}

/** The process of postmaster.pid where it is alive; null where no server runs in the data directory. */
export function runningServer(directory: string): { readonly pid: number } | null {
  let pid: number;
  try {
    pid = Math.abs(Number.parseInt(readFileSync(join(directory, 'postmaster.pid'), 'utf8'), 10));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  if (!(pid > 1)) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return null;
  }
  return isPostgresIn(pid, directory) ? { pid } : null;
}

/** Whether the process works in the data directory: after a reboot its number may be another's. Unknown counts as yes. */
function isPostgresIn(pid: number, directory: string): boolean {
  try {
    const own = statSync(directory);
    const cwd = statSync(`/proc/${pid}/cwd`);
    return own.dev === cwd.dev && own.ino === cwd.ino;
  } catch {
    return true; // no /proc, or it may not be looked at
  }
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Whose the data directory is to be: its own owner, else the one of the folder above, where that is not root. */
export function ownerFor(directory: string): Account | null {
  for (let path = directory; ; path = dirname(path)) {
    if (existsSync(path)) {
      const { uid, gid } = lstatSync(path);
      return uid === 0 ? null : { uid, gid };
    }
    if (path === dirname(path)) return null;
  }
}

/** The account that packages of PostgreSQL make; null where there is none. */
export function postgresAccount(): Account | null {
  const [uid, gid] = [userId('postgres'), groupId('postgres')];
  return uid !== null && gid !== null ? { uid, gid } : null;
}

/** An account of this machine by names; root's number stands for a name that it does not know. */
export function accountNamed(user: string | undefined, group: string | undefined): Account {
  return { uid: (user && userId(user)) || 0, gid: (group && groupId(group)) || 0 };
}

/** Brings everything written to the file system of a path onto its disk. */
export async function syncFileSystem(path: string): Promise<void> {
  // Best effort: where there is no such program, the server syncs everything itself before it recovers.
  await runTool({ program: 'sync', args: ['-f', path], cwd: '/' }).catch(() => null);
}
