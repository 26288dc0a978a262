import { readdirSync } from 'node:fs';
import { LifeboatError } from '../core/errors.ts';
import {
  type CreateOptions,
  createRepository,
  openRepository,
  type Repository,
} from '../repository/repository.ts';
import { withoutWrites } from '../storage/dry-run.ts';
import { withAppendOnly } from '../storage/layers/append-only.ts';
import { withLimits } from '../storage/layers/limit.ts';
import { type RetryOptions, withRetry } from '../storage/layers/retry.ts';
import { withWatchdog } from '../storage/layers/watchdog.ts';
import { localStorage } from '../storage/local/local.ts';
import { createPacer } from '../storage/pacer.ts';
import { restStorage } from '../storage/rest/rest.ts';
import { s3Storage } from '../storage/s3/s3.ts';
import { sftpStorage } from '../storage/sftp/sftp.ts';
import type { Storage } from '../storage/storage.ts';
import { isLocal, schemeOf, schemeRefusal } from './location.ts';
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
};

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
const storageOptionTable = { 'append-only': truth } as const;

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
  const { 'append-only': appendOnly } = optionsOf('storage', storageOptionTable, access);
  const layered = withTries(driver(location, access, pacersOf(access)), access);
  return appendOnly ? withAppendOnly(layered) : layered;
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
export function openAt(location: string, password: string, options: OpenOptions = {}): Promise<Repository> {
  const storage = storageAt(location, options.access);
  return openRepository(options.readOnly ? withoutWrites(storage) : storage, password, options.keyHint);
}

/** @throws LifeboatError `repository-exists` and storage errors. */
export function createAt(
  location: string,
  password: string,
  options: CreateOptions,
  access?: StorageAccess,
): Promise<Repository> {
  return createRepository(storageAt(location, access), password, options);
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
