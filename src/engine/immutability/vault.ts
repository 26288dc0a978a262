import { LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { ObjectProtection, ObjectVersion } from '../../model/retention.ts';
import { configKey } from '../../repository/layout.ts';
import { mayProtect, protectionOf } from '../../repository/protection.ts';
import type { Repository } from '../../repository/repository.ts';

export type Storage = Repository['storage'];
export type Vault = NonNullable<Storage['vault']>;

/** @throws LifeboatError `storage-object-lock-missing` for a storage that cannot protect objects. */
export function vaultOf(storage: Storage): Vault {
  if (storage.vault) return storage.vault;
  throw new LifeboatError(
    'storage-object-lock-missing',
    `${storage.location} cannot protect objects: that is what Object Lock of S3 does`,
    {
      hint: 'use `append-only: true` or a server that refuses to delete (`lifeboat serve --append-only`), or keep a copy in a bucket with Object Lock',
    },
  );
}

/** @throws LifeboatError `usage`. */
export function policyOf(storage: Storage): NonNullable<Vault['policy']> {
  const { policy } = vaultOf(storage);
  if (policy) return policy;
  throw new LifeboatError('usage', `nothing says how long objects of ${storage.location} are to be kept`, {
    hint: 'set `immutability` of the repository in the configuration, or give -o s3.retention=compliance:30d',
  });
}

/** A key, and which version where it is not the latest. */
export interface Place {
  readonly key: string;
  readonly versionId?: string;
}

/** Does something with each item, as many at once as the storage takes. The first failure ends it. */
export async function forEachOf<T>(
  storage: Storage,
  items: readonly T[],
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  let next = 0;
  await runBounded(
    storage.connections,
    () => (next < items.length ? work(items[next++] as T) : null),
    signal,
  );
}

/**
 * What protects objects now; those that are gone are left out. Where the first answer shows that the storage keeps no
 * versions, so cannot protect any, no more is asked.
 */
export async function lookAtProtection<T extends Place>(
  storage: Storage,
  places: readonly T[],
  signal?: AbortSignal,
): Promise<Map<T, ObjectProtection>> {
  const found = new Map<T, ObjectProtection>();
  const look = async (place: T): Promise<void> => {
    const protection = await protectionOf(storage, place.key, place.versionId);
    if (protection) found.set(place, protection);
  };
  const [first, ...others] = places;
  if (first) await look(first);
  if (mayProtect(storage)) await forEachOf(storage, others, look, signal);
  return found;
}

/** In one bucket there may be more than this repository, also below it where it lies at the root. */
export function isOfRepository(key: string): boolean {
  return key === configKey || /^(?:keys|locks|snapshots|index|data|lifeboat)\//.test(key);
}

/** Every version of every object of the repository, of each key newest first. */
export async function repositoryVersions(storage: Storage): Promise<ObjectVersion[]> {
  return (await vaultOf(storage).versions('')).filter(({ key }) => isOfRepository(key));
}

/** The content that keys have, and had: versions that are no delete markers, also hidden ones. */
export async function contentVersions(storage: Storage, keys: Iterable<string>): Promise<ObjectVersion[]> {
  const wanted = new Set(keys);
  const versions = await repositoryVersions(storage);
  return versions.filter(({ key, isDeleteMarker }) => !isDeleteMarker && wanted.has(key));
}
