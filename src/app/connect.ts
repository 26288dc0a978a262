import { readdirSync } from 'node:fs';
import { LifeboatError } from '../core/errors.ts';
import {
  type CreateOptions,
  createRepository,
  openRepository,
  type Repository,
} from '../repository/repository.ts';
import { withoutWrites } from '../storage/dry-run.ts';
import { localStorage } from '../storage/local/local.ts';
import type { Storage } from '../storage/storage.ts';
import { schemeOf, schemeRefusal } from './location.ts';

/** The storage at a location as restic writes it: a path, or `local:` and a path. @throws LifeboatError `usage`. */
export function storageAt(location: string): Storage {
  const refusal = schemeRefusal(location);
  if (refusal) {
    throw new LifeboatError('usage', refusal, {
      hint: 'use a repository on a local or mounted folder, and copy it from there',
    });
  }
  return localStorage(schemeOf(location) === 'local' ? location.slice('local:'.length) : location);
}

export interface OpenOptions {
  /** Key to try first. */
  readonly keyHint?: string | undefined;
  /** What is written or deleted goes nowhere: for dry runs. */
  readonly readOnly?: boolean;
}

/** @throws LifeboatError as `openRepository` of the room repository. */
export function openAt(location: string, password: string, options: OpenOptions = {}): Promise<Repository> {
  const storage = storageAt(location);
  return openRepository(options.readOnly ? withoutWrites(storage) : storage, password, options.keyHint);
}

/** @throws LifeboatError `repository-exists` and storage errors. */
export function createAt(location: string, password: string, options: CreateOptions): Promise<Repository> {
  return createRepository(storageAt(location), password, options);
}

/**
 * Whether a local repository has no snapshots yet, told without its password and without asking the storage:
 * a guess for which no request is worth sending. False for remote ones.
 */
export function looksNew(location: string): boolean {
  const folder = storageAt(location).localPath('snapshots');
  if (folder === null) return false;
  try {
    return readdirSync(folder).length === 0;
  } catch {
    return false; // opening the repository meets the same trouble, and reports it
  }
}
