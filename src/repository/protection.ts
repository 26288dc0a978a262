import { hasCode } from '../core/errors.ts';
import type { ObjectProtection } from '../model/retention.ts';
import type { Storage } from '../storage/storage.ts';

/** Storages of which an answer has shown that they keep no versions, so protect nothing. */
const withoutVersions = new WeakSet<Storage>();

/** Whether it is worth asking what protects an object. */
export function mayProtect(storage: Storage): boolean {
  return storage.vault !== undefined && !withoutVersions.has(storage);
}

/** What protects an object, or one version of it, now; null where it is gone, or nothing protects anything there. */
export async function protectionOf(
  storage: Storage,
  key: string,
  versionId?: string,
): Promise<ObjectProtection | null> {
  if (!storage.vault || withoutVersions.has(storage)) return null;
  try {
    const found = await storage.vault.protection(key, versionId === undefined ? {} : { versionId });
    if (found.versionId === null) withoutVersions.add(storage);
    return found;
  } catch (error) {
    if (hasCode(error, 'storage-missing-file')) return null;
    throw error;
  }
}
