import { hasJournals } from '../engine/journal/has-journals.ts';
import type { Id } from '../model/id.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { formatBytes } from './format.ts';

export interface ExpiryRun {
  readonly dryRun: boolean;
  /** Snapshots that count as forgotten. */
  readonly ignore?: ReadonlySet<Id>;
  readonly signal: AbortSignal;
}

/**
 * Removes the log that no kept backup needs, and tells about it; for `prune` and `forget --prune`. Needs the
 * exclusive lock of the prune: a backup under way is not yet seen.
 */
export async function runJournalExpiry(
  { output }: Pick<CommandContext, 'output'>,
  repository: Repository,
  { dryRun, ignore, signal }: ExpiryRun,
): Promise<void> {
  if (!(await hasJournals(repository))) return;
  const [{ planJournalExpiry, expireJournals }, { journalPlaces }, { listSnapshots }] = await Promise.all([
    import('../engine/journal/expire-journal.ts'),
    import('../engine/journal/journal-places.ts'),
    import('../repository/snapshots.ts'),
  ]);
  const { places, close } = journalPlaces([{ name: repository.storage.location, repository }]);
  try {
    const [place] = places;
    const { snapshots } = await listSnapshots(repository);
    const plan = await planJournalExpiry(
      place!,
      snapshots.filter(({ id }) => !ignore?.has(id)),
    );
    for (const { stream, keptWhole, plan: ofStream } of plan.streams) {
      const name = `journal of ${stream.source}`;
      if (keptWhole !== null) output.info(`${name}: all of it is kept, because ${keptWhole}`);
      else if (ofStream.remove.length > 0)
        output.info(
          `${name}: ${dryRun ? 'would remove' : 'removing'} ${ofStream.remove.length} ${ofStream.remove.length === 1 ? 'piece' : 'pieces'} of log, ` +
            `${formatBytes(ofStream.removedBytes)}, older than every kept backup`,
        );
    }
    const removed = dryRun ? { removed: 0, removedBytes: 0 } : await expireJournals(place!, plan, { signal });
    if (output.json)
      output.jsonLine({
        message_type: 'journal_expiry',
        dry_run: dryRun,
        planned_bytes: plan.removedBytes,
        removed_pieces: removed.removed,
        removed_bytes: removed.removedBytes,
      });
  } finally {
    await close();
  }
}
