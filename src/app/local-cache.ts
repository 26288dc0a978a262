import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FirstLists } from '../repository/first-lists.ts';
import { keyOf } from '../repository/layout.ts';
import { withCache } from '../storage/layers/cache.ts';
import { type CacheFolder, openCacheFolder } from '../storage/layers/cache-folder.ts';
import { readNote, writeNote } from '../storage/layers/cache-notes.ts';
import type { Storage } from '../storage/storage.ts';
import { sizeBytes, sizeExpected, sizePattern } from './configuration/units.ts';
import { optionsOf, type StorageAccess } from './storage-access.ts';

/** Where the caches of repositories lie. */
export interface CacheSettings {
  readonly folder: string;
}

/** Options of the cache of one repository: how much of its packs is kept. */
export const cacheOptionTable = { size: sizeText } as const;

function sizeText(text: string): number {
  if (!sizePattern.test(text)) throw new Error(`expected ${sizeExpected}`);
  return sizeBytes(text);
}

/** The cache of a repository that is about to be opened. */
export interface LocalCache {
  /** The key that opened it the last time. */
  readonly keyHint: string | undefined;
  /** @param storage that of the repository with this ID. */
  layer(storage: Storage, repositoryId: string): Storage;
  /** Notes the key, and lets go of what the repository no longer has. */
  opened(keyId: string, lists: FirstLists | null): Promise<void>;
}

/** `cache.size` where nobody says otherwise: the trees of some hundred million files. */
export const cacheBytesDefault = 5 * 1024 ** 3;

/** Where caches are kept unless told otherwise (XDG Base Directory Specification); null where the environment does not say. */
export function defaultCacheFolder(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string | null {
  if (platform === 'darwin') return env.HOME ? join(env.HOME, 'Library', 'Caches', 'lifeboat') : null;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'lifeboat');
  return env.HOME ? join(env.HOME, '.cache', 'lifeboat') : null;
}

/**
 * @param base folder of the caches of all repositories.
 * @param location of the repository; its hash names the note of its key.
 * @throws LifeboatError `usage` for a wrong option.
 */
export async function openLocalCache(
  base: string,
  location: string,
  access: Pick<StorageAccess, 'options' | 'warn'>,
): Promise<LocalCache> {
  const bytesMax = optionsOf('cache', cacheOptionTable, access).size ?? cacheBytesDefault;
  const warn = access.warn ?? (() => undefined);
  const note = join(base, 'keys', createHash('sha256').update(location).digest('hex'));
  const keyHint = (await readNote(note)) ?? undefined;
  let folder: CacheFolder | null = null;
  return {
    keyHint,
    layer(storage, repositoryId) {
      folder = openCacheFolder(base, repositoryId, bytesMax);
      return withCache(storage, { folder, warn });
    },
    async opened(keyId, lists) {
      if (keyId !== keyHint) await writeNote(note, keyId);
      for (const kind of ['snapshots', 'index'] as const) {
        const listed = await lists?.[kind];
        if (listed) await folder?.keepOnly(`${kind}/`, new Set(listed.map(({ id }) => keyOf(kind, id))));
      }
    },
  };
}
