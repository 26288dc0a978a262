import { keyOf } from '../../src/repository/layout.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { addCheapKey, testPassword } from './cheap.ts';

/** Replaces the key of a repository that a program made by one that costs nothing to open. */
export async function cheapen(path: string): Promise<void> {
  const storage = localStorage(path);
  const { master, keyId } = await openRepository(storage, testPassword);
  await addCheapKey(storage, master);
  await storage.remove(keyOf('keys', keyId));
}
