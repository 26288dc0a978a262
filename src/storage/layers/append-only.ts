import { LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';

/**
 * Takes additions only: what is there is neither deleted nor replaced, but for locks, which come and go with each
 * command. Saving the very same content again is no change, so it succeeds.
 *
 * It binds who goes through it: a server that gives others access, or a job that should not be able to delete by
 * mistake. Whoever can reach the storage in another way is bound by what that way allows.
 */
export function withAppendOnly(storage: Storage): Storage {
  const isExempt = (key: string): boolean => key.startsWith('locks/');
  const refusal = (action: string, key: string): LifeboatError =>
    new LifeboatError('storage-append-only', `cannot ${action} ${key}: ${storage.location} is append-only`);
  /** Saves of one key after another: else two of them could both find nothing there. */
  const saving = new Map<string, Promise<void>>();

  async function saveNew(
    key: string,
    parts: readonly Uint8Array[],
    facts: Parameters<Storage['save']>[2],
  ): Promise<void> {
    const size = await storage.size(key);
    if (size === null) return storage.save(key, parts, facts);
    const content = Buffer.concat(parts);
    if (size !== content.length || !(await storage.load(key)).equals(content)) throw refusal('replace', key);
  }

  return {
    ...storage,
    async save(key, parts, facts) {
      if (isExempt(key)) return storage.save(key, parts, facts);
      const before = saving.get(key) ?? Promise.resolve();
      const mine = before.catch(() => undefined).then(() => saveNew(key, parts, facts));
      saving.set(key, mine);
      try {
        await mine;
      } finally {
        if (saving.get(key) === mine) saving.delete(key);
      }
    },
    async remove(key) {
      if (!isExempt(key)) throw refusal('delete', key);
      await storage.remove(key);
    },
    // A rule could expire what may not be deleted.
    ...(storage.bucket && {
      bucket: {
        ...storage.bucket,
        replaceLifecycle: async () => {
          throw refusal('change', 'the lifecycle of the bucket');
        },
      },
    }),
    ...(storage.archive && {
      archive: {
        ...storage.archive,
        setMark: async (key: string) => {
          throw refusal('change the tags of', key);
        },
      },
    }),
  };
}
