import {
  effectiveSetting,
  freePortFrom,
  isPortTaken,
  runningPort,
  writableFolders,
} from '../../sources/postgres/recovery/beside-others.ts';
import { runningServer } from '../../sources/postgres/recovery/data-directory.ts';
import type { ServerPlace } from '../../sources/postgres/recovery/server-control.ts';
import type { PlanInput, RecoveryPlan } from './plan.ts';

/** A copy elsewhere must not be in the way of its original, nor of anyone else on its machine. */

export type Settings = readonly (readonly [string, string])[];

const portDefault = 5432;
/** A socket's path has 107 bytes at most (sockaddr_un); the name of PostgreSQL's takes up to 22. */
const socketFolderBytesMax = 85;

export function isCopy({ plan, input }: { readonly plan: RecoveryPlan; readonly input: PlanInput }): boolean {
  return plan.dataDirectory !== input.manifest.dataDirectory;
}

/** A port for a copy beside its running original, before anything of it is restored; null where none is needed. */
export async function portBeside(
  dataDirectory: string,
  original: string,
): Promise<{ readonly port: number; readonly note: string } | null> {
  if (dataDirectory === original || !runningServer(original)) return null;
  const taken = runningPort(original) ?? portDefault;
  const port = await freePortFrom(taken + 1, []);
  if (port === null) return null;
  return { port, note: `the original runs in ${original} on port ${taken}, so the copy gets port ${port}` };
}

/** What stands in postgresql.auto.conf of a copy for as long as it is one. */
export function copySettings(work: { readonly plan: RecoveryPlan; readonly input: PlanInput }): Settings {
  if (!isCopy(work)) return [];
  const port = work.plan.settings.find(([name]) => name === 'port');
  return [...(work.input.standby ? [] : [['archive_mode', 'off'] as const]), ...(port ? [port] : [])];
}

/**
 * Looks with the settings of the recovered server whether it can be started here as it is.
 * @param keepPort the user has chosen it.
 * @returns what else it needs, to be put behind `settings`, and why.
 */
export async function fitBesideOthers(
  place: ServerPlace,
  keepPort: boolean,
): Promise<{ readonly more: Settings; readonly notes: readonly string[] }> {
  const more: [string, string][] = [];
  const notes: string[] = [];
  const sockets = await effectiveSetting(place, 'unix_socket_directories');
  const wanted = (sockets ?? '').split(',').map((folder) => folder.trim().replace(/^"(.*)"$/, '$1'));
  const folders = wanted.filter((folder) => folder !== '');
  const usable = await writableFolders(folders, place.account);
  if (usable.length < folders.length) {
    const fallback =
      Buffer.byteLength(place.dataDirectory) <= socketFolderBytesMax ? place.dataDirectory : '/tmp';
    const kept = usable.length > 0 ? usable : [fallback];
    more.push(['unix_socket_directories', kept.join(', ')]);
    const lost = folders.filter((folder) => !usable.includes(folder));
    notes.push(`its socket is in ${kept.join(' and ')}, as it cannot be made in ${lost.join(' and ')}`);
    usable.splice(0, usable.length, ...kept);
  }
  const port = Number((await effectiveSetting(place, 'port')) ?? portDefault);
  if (!keepPort && (await isPortTaken(port, usable))) {
    const free = await freePortFrom(port + 1, usable);
    if (free !== null) {
      more.push(['port', String(free)]);
      notes.push(`it has port ${free}, as port ${port} is taken on this machine`);
    }
  }
  return { more, notes };
}
