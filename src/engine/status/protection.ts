import { hasCode } from '../../core/errors.ts';
import { isLocked } from '../../model/retention.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { Protected } from '../../policy/copy-rules.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';

/**
 * Whether Object Lock protects a snapshot now, as the storage says of the snapshot's own object and of the pack that
 * holds its first tree. Of all its other packs nothing is asked: `lifeboat retain --dry-run` looks at each.
 * @throws LifeboatError errors of the storage.
 */
export async function seenProtection(
  repository: Repository,
  newest: StoredSnapshot | null,
): Promise<Protected> {
  const { vault } = repository.storage;
  if (!vault || newest === null) return 'not-seen';
  const keys = [keyOf('snapshots', newest.id)];
  if (newest.tree !== undefined) {
    const [first] = (await loadIndex(repository)).findAll('tree', newest.tree);
    if (first) keys.push(keyOf('data', first.packId));
  }
  try {
    for (const key of keys) if (!isLocked(await vault.protection(key), Date.now())) return 'not-seen';
  } catch (error) {
    // A bucket without Object Lock, or credentials that may not ask: then it was not seen.
    if (!hasCode(error, 'storage-object-lock-missing', 'storage-denied', 'storage-missing-file')) throw error;
    return 'not-seen';
  }
  return 'immutable';
}
