import { LifeboatError } from '../../core/errors.ts';
import { type Id, shortId } from '../../model/id.ts';
import { idOfKey, keyOf } from '../../repository/layout.ts';
import { mayProtect } from '../../repository/protection.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { findNeeded, type NeededObjects, type NeededOptions } from './needed.ts';
import {
  contentVersions,
  forEachOf,
  lookAtProtection,
  type Place,
  repositoryVersions,
  type Storage,
  vaultOf,
} from './vault.ts';

/**
 * Legal holds of snapshots. That a snapshot is held is recorded by the legal hold of its own file, so it is known
 * wherever the bucket is: it is set last and released last, and what else a held snapshot needs is held as well.
 */

/** Which of the snapshots are held. */
export async function heldAmong(
  storage: Storage,
  ids: readonly Id[],
  signal?: AbortSignal,
): Promise<Set<Id>> {
  const places = ids.map((id) => ({ id, key: keyOf('snapshots', id) }));
  const found = await lookAtProtection(storage, places, signal);
  return new Set([...found].flatMap(([{ id }, { legalHold }]) => (legalHold ? [id] : [])));
}

/** @throws LifeboatError `snapshot-held` where one of them is. */
export async function refuseHeld(storage: Storage, ids: readonly Id[], signal?: AbortSignal): Promise<void> {
  const held = await heldAmong(storage, ids, signal);
  if (held.size === 0) return;
  const names = [...held].map(shortId).toSorted().join(', ');
  throw new LifeboatError(
    'snapshot-held',
    held.size === 1
      ? `snapshot ${names} is held, so it cannot be removed`
      : `${held.size} snapshots are held, so they cannot be removed: ${names}`,
  );
}

export interface HoldPlan {
  readonly action: 'hold' | 'release';
  readonly snapshots: readonly Id[];
  /** In the order in which the holds are set: files of snapshots last. */
  readonly objects: readonly Place[];
  readonly bytes: number;
  /** Released: objects that stay held because other held snapshots need them. */
  readonly shared: number;
}

const keysOf = ({ packs, index, access, snapshots }: NeededObjects): string[] => [
  ...packs,
  ...index,
  ...access,
  ...snapshots,
];

const isSnapshot = (key: string): boolean => key.startsWith('snapshots/');

/** Plans to hold all that snapshots need. Changes nothing. @throws as `findNeeded`. */
export async function planHold(
  repository: Repository,
  ids: readonly Id[],
  options: NeededOptions = {},
): Promise<HoldPlan> {
  const { storage } = repository;
  const needed = await findNeeded(repository, new Set(ids), options);
  const versions = await contentVersions(storage, keysOf(needed));
  return { action: 'hold', snapshots: ids, ...inOrder(versions), shared: 0 };
}

/**
 * Plans to release snapshots. What other held snapshots need stays held. Changes nothing.
 *
 * Index files that were replaced and packs that were repacked since are no longer named by what is there now, so those
 * of them that are held are looked for.
 */
export async function planRelease(
  repository: Repository,
  ids: readonly Id[],
  options: NeededOptions = {},
): Promise<HoldPlan> {
  const { storage } = repository;
  const { signal } = options;
  const given = new Set(ids);
  const listed = (await listFiles(storage, 'snapshots')).map(({ id }) => id);
  const others = [...(await heldAmong(storage, listed, signal))].filter((id) => !given.has(id));
  const needed = await findNeeded(repository, given, options);
  const byOthers = others.length > 0 ? await findNeeded(repository, new Set(others), options) : null;
  const keep = new Set(byOthers ? keysOf(byOthers) : []);
  const mine = keysOf(needed);
  const all = (await repositoryVersions(storage)).filter(({ isDeleteMarker }) => !isDeleteMarker);
  const own = new Set(mine);
  const release = all.filter(({ key }) => own.has(key) && !keep.has(key));
  // While others are held, nobody can tell for whom what was left over is held.
  const leftOvers = byOthers ? [] : all.filter(({ key }) => !own.has(key) && isLeftOver(key, needed));
  const protections = await lookAtProtection(storage, leftOvers, signal);
  release.push(...leftOvers.filter((version) => protections.get(version)?.legalHold));
  return {
    action: 'release',
    snapshots: ids,
    ...inOrder(release),
    shared: mine.filter((key) => keep.has(key)).length,
  };
}

function isLeftOver(key: string, { all }: NeededObjects): boolean {
  if (key.startsWith('index/')) return true;
  const id = key.startsWith('data/') ? idOfKey(key) : null;
  return id !== null && all.knownPackNumber(id) === null;
}

function inOrder(
  versions: readonly (Required<Place> & { readonly size: number })[],
): Pick<HoldPlan, 'objects' | 'bytes'> {
  const last = versions.filter(({ key }) => isSnapshot(key));
  const first = versions.filter(({ key }) => !isSnapshot(key));
  return {
    objects: [...first, ...last].map(({ key, versionId }) => ({ key, versionId })),
    bytes: versions.reduce((sum, { size }) => sum + size, 0),
  };
}

/** Sets or releases the holds. What was interrupted is completed by doing it again. */
export async function executeHold(
  repository: Repository,
  { action, objects }: HoldPlan,
  options: { readonly signal?: AbortSignal; readonly onDone?: () => void } = {},
): Promise<void> {
  const { storage } = repository;
  const vault = vaultOf(storage);
  const set = async ({ key, versionId }: Place): Promise<void> => {
    await vault.setLegalHold(key, action === 'hold', versionId === undefined ? {} : { versionId });
    options.onDone?.();
  };
  const parts = [objects.filter(({ key }) => !isSnapshot(key)), objects.filter(({ key }) => isSnapshot(key))];
  for (const part of parts) await forEachOf(storage, part, set, options.signal);
}

/**
 * Holds the index files that were written since snapshots were held, so that these can still be found when others
 * have been removed. To be called when index files were replaced.
 * @returns how many index files are held now that were not.
 */
export async function holdNewIndex(repository: Repository, signal?: AbortSignal): Promise<number> {
  const { storage } = repository;
  const { vault } = storage;
  if (!vault || !mayProtect(storage)) return 0;
  const listed = (await listFiles(storage, 'snapshots')).map(({ id }) => id);
  if ((await heldAmong(storage, listed, signal)).size === 0) return 0;
  const files = (await listFiles(storage, 'index')).map(({ id }) => ({ key: keyOf('index', id) }));
  const protections = await lookAtProtection(storage, files, signal);
  const free = files.filter((file) => protections.get(file)?.legalHold === false);
  await forEachOf(storage, free, ({ key }) => vault.setLegalHold(key, true), signal);
  return free.length;
}
