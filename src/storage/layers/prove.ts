import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { ProofCounts, ProofMode } from '../../model/proof.ts';
import type { Storage } from '../storage.ts';

/**
 * Asks the storage, after each save and before it counts as done, what it holds now. What is not proven is never
 * referred to: a pack gets into an index, and a snapshot is written, only after this.
 */

export interface ProvingStorage {
  readonly storage: Storage;
  counts(): ProofCounts;
}

/** Of packs and of log the first and then each fiftieth is read back; all else is small and read back always. */
const sampledFolders: readonly string[] = ['data/', 'lifeboat/'];
export const sampleEvery = 50;

/** @returns a storage whose saves reject with `copy-unproven` where the object is not there as it was sent. */
export function withProof(storage: Storage, mode: ProofMode): ProvingStorage {
  const counts = { objects: 0, bytes: 0, readBack: 0, readBackBytes: 0 };
  const saved = new Map<string, number>();

  function isReadBack(key: string): boolean {
    const folder = sampledFolders.find((each) => key.startsWith(each));
    if (mode === 'read' || folder === undefined) return true;
    const before = saved.get(folder) ?? 0;
    saved.set(folder, before + 1);
    return before % sampleEvery === 0;
  }

  const unproven = (key: string, what: string): LifeboatError =>
    new LifeboatError('copy-unproven', `${key} was stored in ${storage.location}, but ${what}`);

  async function prove(key: string, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const readBack = isReadBack(key) && (await compare(key, parts, bytes));
    if (!readBack) {
      const size = await storage.size(key);
      if (size !== bytes)
        throw unproven(key, size === null ? 'it is not there' : `has ${size} bytes there, not ${bytes}`);
    }
    counts.objects++;
    counts.bytes += bytes;
    if (!readBack) return;
    counts.readBack++;
    counts.readBackBytes += bytes;
  }

  /** @returns false for what went straight into an archive, of which only the size can be asked. */
  async function compare(key: string, parts: readonly Uint8Array[], bytes: number): Promise<boolean> {
    const loaded = await storage.load(key).catch((error: unknown) => {
      if (hasCode(error, 'storage-missing-file')) throw unproven(key, 'it is not there');
      if (hasCode(error, 'storage-archived')) return null;
      throw error;
    });
    if (loaded === null) return false;
    if (loaded.length !== bytes) throw unproven(key, `has ${loaded.length} bytes there, not ${bytes}`);
    let at = 0;
    for (const part of parts) {
      if (Buffer.compare(loaded.subarray(at, at + part.length), part) !== 0)
        throw unproven(key, 'its content there is another');
      at += part.length;
    }
    return true;
  }

  return {
    storage: {
      ...storage,
      async save(key, parts, facts) {
        await storage.save(key, parts, facts);
        if (!key.startsWith('locks/')) await prove(key, parts);
      },
    },
    counts: () => ({ ...counts }),
  };
}
