import { readdirSync } from 'node:fs';
import { hasCode, LifeboatError } from '../core/errors.ts';
import { beginLists, type FirstLists } from '../repository/first-lists.ts';
import {
  type CreateOptions,
  createRepository,
  openRepository,
  type Repository,
} from '../repository/repository.ts';
import { azureStorage } from '../storage/azure/azure.ts';
import { withoutWrites } from '../storage/dry-run.ts';
import { gcsStorage } from '../storage/gcs/gcs.ts';
import { withAppendOnly } from '../storage/layers/append-only.ts';
import { countRequest, newTraffic, withCounts } from '../storage/layers/count.ts';
import { withLimits } from '../storage/layers/limit.ts';
import { withPresence } from '../storage/layers/present.ts';
import { type RetryOptions, withRetry } from '../storage/layers/retry.ts';
import { withWatchdog } from '../storage/layers/watchdog.ts';
import { localStorage } from '../storage/local/local.ts';
import { createPacer } from '../storage/pacer.ts';
import { restStorage } from '../storage/rest/rest.ts';
import { s3Storage } from '../storage/s3/s3.ts';
import { sftpStorage } from '../storage/sftp/sftp.ts';
import type { Storage } from '../storage/storage.ts';
import { azureOpening } from './azure-settings.ts';
import { gcsOpening } from './gcs-settings.ts';
import { openLocalCache } from './local-cache.ts';
import { isLocal, schemeOf, schemeRefusal } from './location.ts';
import { absentRepository, withoutPresence } from './removable.ts';
import { restOpening } from './rest-settings.ts';
import { type Pacers, s3Opening } from './s3-settings.ts';
import { sftpOpening } from './sftp-settings.ts';
import { optionsOf, plainAccess, type StorageAccess, truth } from './storage-access.ts';

/** A storage, and how it is to be tried again; null where it is not. */
interface Opened {
  readonly storage: Storage;
  readonly tries: RetryOptions | null;
}

type Driver = (location: string, access: StorageAccess, pacers: Pacers) => Opened;

/** By the scheme of their locations; folders have none, or `local:`. */
const drivers: Readonly<Record<string, Driver>> = {
  local(location, _access, { upload, download }) {
    const path = location.replace(/^local:/, '');
    const storage = localStorage(path);
    return { storage: upload || download ? withLimits(storage, { upload, download }) : storage, tries: null };
  },
  s3(location, access, pacers) {
    const { settings, tries } = s3Opening(location, access, pacers);
    return { storage: s3Storage(settings), tries };
  },
  sftp(location, access, { upload, download }) {
    const { location: place, options, tries } = sftpOpening(location, access);
    return { storage: withLimits(sftpStorage(place, options), { upload, download }), tries };
  },
  rest(location, access, { upload, download }) {
    const { location: place, settings, tries } = restOpening(location, access);
    return { storage: withLimits(restStorage(place, settings), { upload, download }), tries };
  },
  azure(location, access, pacers) {
    const { settings, tries } = azureOpening(location, access, pacers);
    return { storage: azureStorage(settings), tries };
  },
  gs(location, access, { upload, download }) {
    const { settings, tries } = gcsOpening(location, access);
    return { storage: withLimits(gcsStorage(settings), { upload, download }), tries };
  },
};

/** Their drivers name each request that is charged for. */
const clouds: ReadonlySet<string> = new Set(['s3', 'azure', 'gs']);

/** What looks like an unknown scheme is the name of a folder. */
function driverOf(scheme: string): Driver {
  return (Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined) ?? drivers.local!;
}

/** One limit for all repositories of a run. */
const pacersByAccess = new WeakMap<StorageAccess, Pacers>();

function pacersOf(access: StorageAccess): Pacers {
  const { uploadBytesPerSecond: up, downloadBytesPerSecond: down } = access;
  if (access.shares) return pacersOf(access.shares);
  const known = pacersByAccess.get(access);
  if (known) return known;
  const made = { upload: up ? createPacer(up) : null, download: down ? createPacer(down) : null };
  pacersByAccess.set(access, made);
  return made;
}

/** Options of any kind of storage. */
const storageOptionTable = { 'append-only': truth, removable: truth } as const;

/** A connection that is slower counts as stuck; where the user slows it down, it may be slower than that. */
const bytesPerSecondMin = 16 * 1024;

/**
 * The storage at a location as restic writes it, with the layers around it that its kind needs.
 *
 * @throws LifeboatError `usage`, `storage-credentials`, `secret-missing`.
 */
export function storageAt(location: string, access: StorageAccess = plainAccess()): Storage {
  const refusal = schemeRefusal(location);
  if (refusal) {
    throw new LifeboatError('usage', refusal, {
      hint: 'use a repository on a local or mounted folder, and copy it from there',
    });
  }
  const driver = driverOf(schemeOf(location) ?? 'local');
  const { 'append-only': appendOnly, removable } = optionsOf('storage', storageOptionTable, access);
  const tried = withTries(counted(driver, location, access), access);
  const kept = removable && isLocal(location) ? withPresence(tried) : tried;
  const layered = access.layer ? access.layer(kept) : kept;
  return appendOnly ? withAppendOnly(layered) : layered;
}

/** Each try counts. Disks of this machine ask nobody for requests. */
function counted(driver: Driver, location: string, access: StorageAccess): Opened {
  const onRequest = (name: string): void => countRequest(traffic, name);
  const opened = driver(location, { ...access, onRequest }, pacersOf(access));
  const traffic = newTraffic(opened.storage.location);
  if (isLocal(location)) return opened;
  access.traffic.push(traffic);
  return { ...opened, storage: withCounts(opened.storage, traffic, clouds.has(schemeOf(location)!)) };
}

function withTries({ storage, tries }: Opened, access: StorageAccess): Storage {
  if (tries === null) return storage;
  const { stuckMs, uploadBytesPerSecond: up, downloadBytesPerSecond: down, signal, onRetry } = access;
  const slowest = Math.min(up ?? Number.POSITIVE_INFINITY, down ?? Number.POSITIVE_INFINITY);
  const share = slowest / (2 * storage.connections);
  const watched = withWatchdog(storage, { stuckMs, bytesPerSecondMin: Math.min(bytesPerSecondMin, share) });
  return withRetry(withLimits(watched, { connections: storage.connections }), {
    ...tries,
    signal,
    ...(onRetry && { onRetry }),
  });
}

export interface OpenOptions {
  /** Key to try first. */
  readonly keyHint?: string | undefined;
  /** What is written or deleted goes nowhere: for dry runs. */
  readonly readOnly?: boolean;
  /** How its storage is reached. */
  readonly access?: StorageAccess;
}

/** @throws LifeboatError as `openRepository` of the room repository. */
export async function openAt(
  location: string,
  password: string,
  options: OpenOptions = {},
): Promise<Repository> {
  return openOn(storageAt(location, options.access), location, password, options, null);
}

/** A repository, and what it had when it was opened: for commands that take their lock early. */
export interface AheadRepository {
  readonly repository: Repository;
  readonly lists: FirstLists;
}

/** As `openAt`, and lists what there is while the key is derived. */
export async function openAheadAt(
  location: string,
  password: string,
  options: OpenOptions = {},
): Promise<AheadRepository> {
  const storage = storageAt(location, options.access);
  const lists = beginLists(storage);
  return { repository: await openOn(storage, location, password, options, lists), lists };
}

/** Disks of this machine need no cache. */
async function openOn(
  storage: Storage,
  location: string,
  password: string,
  { keyHint, readOnly, access }: OpenOptions,
  lists: FirstLists | null,
): Promise<Repository> {
  const isElsewhere = storage.localPath('config') === null;
  const cache =
    isElsewhere && access?.cache ? await openLocalCache(access.cache.folder, location, access) : null;
  const repository = await openRepository(storage, password, {
    keyHint: keyHint || cache?.keyHint,
    layer(bare, { id }) {
      const layered = cache ? cache.layer(bare, id) : bare;
      return readOnly ? withoutWrites(layered) : layered;
    },
  }).catch(async (error: unknown) => {
    const removable = access && optionsOf('storage', storageOptionTable, access).removable;
    if (!removable || !hasCode(error, 'repository-missing')) throw error;
    throw await absentRepository(location, storage.location, access.env);
  });
  // Not waited for: the command goes on, and what fails here costs speed only.
  void cache?.opened(repository.keyId, lists).catch(() => undefined);
  return repository;
}

/** @throws LifeboatError `repository-exists` and storage errors. */
export function createAt(
  location: string,
  password: string,
  options: CreateOptions,
  access?: StorageAccess,
): Promise<Repository> {
  return createRepository(storageAt(location, withoutPresence(access)), password, options);
}

/**
 * Whether a local repository has no snapshots yet, told without its password and without asking the storage:
 * a guess for which no request is worth sending. False for remote ones.
 */
export function looksNew(location: string): boolean {
  if (!isLocal(location)) return false;
  try {
    return readdirSync(storageAt(location).localPath('snapshots')!).length === 0;
  } catch {
    return false; // opening the repository meets the same trouble, and reports it
  }
}
