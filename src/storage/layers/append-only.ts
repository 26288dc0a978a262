import { LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';
import { isHeartbeat, isTransient } from '../transient.ts';
import type { Vault } from '../vault.ts';

/**
 * Takes additions only: what is there is neither deleted nor replaced, but for what comes and goes as part of ordinary
 * work (`isTransient`), such as locks. Heartbeats of journals are replaced, but not deleted. Saving the very same content again is no change, so it succeeds.
 *
 * It binds who goes through it: a server that gives others access, or a job that should not be able to delete by
 * mistake. Whoever can reach the storage in another way is bound by what that way allows.
 */
export function withAppendOnly(storage: Storage): Storage {
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
      if (isTransient(key)) return storage.save(key, parts, facts);
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
      if (!isTransient(key) || isHeartbeat(key)) throw refusal('delete', key);
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
    // What protects may grow, not shrink.
    ...(storage.vault && {
      vault: {
        ...storage.vault,
        async setLegalHold(key, on, choice) {
          if (!on) throw refusal('release', key);
          await storage.vault!.setLegalHold(key, on, choice);
        },
        removeVersion: async (key) => {
          throw refusal('delete a version of', key);
        },
        tryToShorten: async (key) => {
          throw refusal('shorten the retention of', key);
        },
      } satisfies Vault,
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
