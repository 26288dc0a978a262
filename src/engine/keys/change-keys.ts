import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { addKey, type KeyOwner, openKey } from '../../repository/keys.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { findFile } from '../look/find-object.ts';

/**
 * Stores the master key under a further password and opens the repository with it once; a key that does not
 * open goes again.
 *
 * @throws LifeboatError `storage-failed` where the new key does not open; storage errors.
 */
export async function addProvenKey(repository: Repository, password: string, owner: KeyOwner): Promise<Id> {
  const { storage, master } = repository;
  const id = await addKey(storage, master, password, owner);
  try {
    const opened = await openKey(storage, password, id);
    if (opened.id === id && opened.master.encryption.equals(master.encryption)) return id;
    throw new LifeboatError('storage-failed', `the new key ${id} does not open the repository`);
  } catch (error) {
    await storage.remove(keyOf('keys', id));
    throw new LifeboatError(
      'storage-failed',
      `the new key was removed again, because it could not be used: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Replaces the key that opened the repository: the old one goes only when the new one has proved itself. */
export async function changePassword(repository: Repository, password: string, owner: KeyOwner): Promise<Id> {
  const id = await addProvenKey(repository, password, owner);
  await repository.storage.remove(keyOf('keys', repository.keyId));
  return id;
}

/**
 * @param text an ID or the beginning of one
 * @throws LifeboatError `object-missing`, `usage` for the key in use: nobody locks themselves out.
 */
export async function removeKey(repository: Repository, text: string): Promise<Id> {
  const id = await findFile(repository, 'keys', text);
  if (id === repository.keyId) {
    throw new LifeboatError('usage', `the key ${id} is the one in use, so it is not removed`, {
      hint: 'open the repository with another password to remove this key, or use `lifeboat key passwd`',
    });
  }
  await repository.storage.remove(keyOf('keys', id));
  return id;
}
