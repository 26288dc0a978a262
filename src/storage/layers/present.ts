import { LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';

/**
 * For media that are taken away: nothing is written where the repository's config is not there, since that is the
 * empty folder at which the medium would be.
 */
export function withPresence(storage: Storage): Storage {
  async function refuseAbsent(): Promise<void> {
    if ((await storage.size('config')) !== null) return;
    throw new LifeboatError(
      'repository-absent',
      `the medium with ${storage.location} is not there any more: nothing was written in its place`,
    );
  }
  return {
    ...storage,
    async save(key, parts, facts) {
      await refuseAbsent();
      await storage.save(key, parts, facts);
    },
    async remove(key) {
      await refuseAbsent();
      await storage.remove(key);
    },
  };
}
