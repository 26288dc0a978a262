import { hasCode, LifeboatError } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { Storage } from '../storage/storage.ts';
import { encodeConfig, newConfig, parseConfig, type RepositoryConfig } from './config.ts';
import { createSealer, type MasterKey, type Sealer } from './crypto.ts';
import { addKey, generateMasterKey, openKey } from './keys.ts';
import { configKey, type FileKind, idOfKey, keyOf } from './layout.ts';
import { openConfig, type UnpackedFiles, unpackedFiles } from './unpacked.ts';

/** An opened repository: the password was right and the config was read. Its index is not loaded. */
export interface Repository {
  readonly storage: Storage;
  readonly config: RepositoryConfig;
  readonly master: MasterKey;
  /** The key file that the password opened. */
  readonly keyId: Id;
  readonly sealer: Sealer;
  readonly files: UnpackedFiles;
}

export interface OpeningOptions {
  /** Key to try first: its ID, which saves listing the keys, or the beginning of it. */
  readonly keyHint?: string | undefined;
  /** What to put around the storage once it is known which repository it holds. */
  readonly layer?: ((storage: Storage, config: RepositoryConfig) => Storage) | undefined;
}

/** @throws LifeboatError `repository-missing`, `password-wrong`, `repository-version`, `repository-damaged`. */
export async function openRepository(
  bare: Storage,
  password: string,
  { keyHint, layer }: OpeningOptions = {},
): Promise<Repository> {
  let storage = bare;
  // The key takes a while to derive, and a distant storage to answer, so both begin now.
  const opening = openKey(storage, password, keyHint);
  opening.catch(() => undefined); // a missing config says more than missing keys
  const stored = await storage.load(configKey).catch((error: unknown) => {
    if (!hasCode(error, 'storage-missing-file')) throw error;
    return null;
  });
  if (stored === null) {
    if ((await storage.list('keys/')).length > 0) {
      throw new LifeboatError(
        'repository-damaged',
        `the repository at ${storage.location} has keys but its config file is missing`,
        {
          hint: 'bring back the file config from a copy of the repository',
        },
      );
    }
    throw new LifeboatError('repository-missing', `there is no repository at ${storage.location}`, {
      ...((await isHidden(storage)) && {
        hint: `there was one: the bucket keeps versions of what was deleted; ${howToUnhide}`,
      }),
    });
  }
  const { id: keyId, master } = await opening;
  const sealer = createSealer(master);
  const config = parseConfig(openConfig(sealer, stored), storage.location);
  storage = layer ? layer(bare, config) : bare;
  const files = unpackedFiles(storage, sealer, () => config.version);
  return { storage, config, master, keyId, sealer, files };
}

export interface CreateOptions {
  readonly version?: 1 | 2;
  /** Chunker polynomial of another repository, so that both cut files at the same places. */
  readonly chunkerPolynomial?: bigint;
}

/** Creates a repository with one key. @throws LifeboatError `repository-exists`. */
export async function createRepository(
  storage: Storage,
  password: string,
  options: CreateOptions = {},
): Promise<Repository> {
  await storage.create();
  if ((await storage.size(configKey)) !== null)
    throw new LifeboatError('repository-exists', `there already is a repository at ${storage.location}`);
  if (await isHidden(storage)) {
    throw new LifeboatError(
      'repository-exists',
      `there was a repository at ${storage.location}, and the bucket keeps versions of what was deleted of it`,
      { hint: `${howToUnhide}; for a new one choose another prefix` },
    );
  }
  await clearInterruptedInit(storage);
  const master = generateMasterKey();
  const config = newConfig(options.version ?? 2, options.chunkerPolynomial);
  const sealer = createSealer(master);
  const files = unpackedFiles(storage, sealer, () => config.version);
  const keyId = await addKey(storage, master, password);
  // The config comes last: a repository exists once it can be opened.
  try {
    await files.saveFirstConfig(encodeConfig(config));
  } catch (error) {
    if (!hasCode(error, 'storage-exists')) throw error;
    await storage.remove(keyOf('keys', keyId));
    throw new LifeboatError(
      'repository-exists',
      `another process has just made a repository at ${storage.location}`,
    );
  }
  return { storage, config, master, keyId, sealer, files };
}

const howToUnhide = '`lifeboat repair undelete --since TIME` brings it back';

/** Whether keys lie here that somebody deleted: in a bucket that keeps versions that only hides them. */
async function isHidden(storage: Storage): Promise<boolean> {
  if (!storage.vault) return false;
  try {
    const versions = await storage.vault.versions('keys/');
    return (
      versions.some(({ isDeleteMarker }) => !isDeleteMarker) && (await storage.list('keys/')).length === 0
    );
  } catch (error) {
    // Who may not list versions, or where there are none to list, cannot tell.
    if (hasCode(error, 'storage-denied', 'storage-settings', 'storage-failed', 'storage-bucket-missing'))
      return false;
    throw error;
  }
}

/**
 * A creation that was killed between its key and its config leaves a key that opens nothing. Such keys go;
 * but beside packs or snapshots a missing config is damage, and nothing is touched.
 */
async function clearInterruptedInit(storage: Storage): Promise<void> {
  for (const folder of ['data/', 'index/', 'snapshots/']) {
    if ((await storage.list(folder)).length === 0) continue;
    throw new LifeboatError(
      'repository-exists',
      `${storage.location} holds files of a repository whose config is missing`,
      {
        hint: 'bring back the file config from a copy, or choose another location',
      },
    );
  }
  for (const { key } of await storage.list('keys/')) await storage.remove(key);
}

export interface ListedFile {
  readonly id: Id;
  readonly size: number;
}

/** All files of a kind whose name is an ID; whatever else lies in the folder is not ours. */
export async function listFiles(storage: Storage, kind: FileKind): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  for (const { key, size } of await storage.list(`${kind}/`)) {
    const id = idOfKey(key);
    if (id) files.push({ id, size });
  }
  return files;
}

/** Whether the repository is still there. */
export async function holdsConfig(repository: Repository): Promise<boolean> {
  return (await repository.storage.size(configKey)) !== null;
}
