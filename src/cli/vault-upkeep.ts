import type { LockedPacks } from '../engine/prune/pack-locks.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { formatBytes, formatZonedTime, plural } from './format.ts';
import { retainIfDue } from './retain-if-due.ts';

type Context = Pick<CommandContext, 'output' | 'env'>;

/** What a prune had to leave, and until when. */
export function tellLocked(output: Context['output'], locked: LockedPacks): void {
  const { packs, bytes, held, firstMs, lastMs } = locked;
  if (packs === 0) return;
  if (output.json) {
    const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
    output.jsonLine({
      message_type: 'locked_packs',
      packs,
      bytes,
      held_packs: held,
      first_until: iso(firstMs),
      last_until: iso(lastMs),
    });
    return;
  }
  output.info(
    `${plural(packs, 'pack')} (${formatBytes(bytes)}) ${packs === 1 ? 'is' : 'are'} locked ${untilText(locked)} and ` +
      `${packs === 1 ? 'stays' : 'stay'}; the next prune after that removes ${packs === 1 ? 'it' : 'them'}`,
  );
}

function untilText({ packs, held, firstMs, lastMs }: LockedPacks): string {
  const times =
    firstMs === null || lastMs === null
      ? ''
      : firstMs === lastMs || lastMs - firstMs < 1000
        ? `until ${formatZonedTime(lastMs, false)}`
        : `until ${formatZonedTime(firstMs, false)} to ${formatZonedTime(lastMs, false)}`;
  if (held === 0) return times;
  return held === packs
    ? 'until their hold is released'
    : `${times}, ${held} of them until their hold is released`;
}

/**
 * What a prune does besides on storages with Object Lock: index files that are new are held where snapshots are, what
 * was hidden long enough goes for good, and what is needed is protected for longer where that is due.
 */
export async function runVaultUpkeep(
  context: Context,
  repository: Repository,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  if (!storage.vault) return;
  const { output } = context;
  const [{ holdNewIndex }, { prepareSweep, executeSweep }] = await Promise.all([
    import('../engine/immutability/hold.ts'),
    import('../engine/immutability/sweep.ts'),
  ]);
  const held = await holdNewIndex(repository, signal);
  if (held > 0) output.verbose(`${plural(held, 'new index file')} held for the snapshots that are`);
  const plan = await prepareSweep(storage);
  if (plan && plan.remove.length > 0) {
    const { removed, removedBytes } = await executeSweep(storage, plan, signal);
    if (removed > 0)
      output.info(`removed ${plural(removed, 'hidden version')} for good (${formatBytes(removedBytes)})`);
    if (output.json)
      output.jsonLine({ message_type: 'swept_versions', removed, removed_bytes: removedBytes });
  }
  await retainIfDue(context, repository, signal);
}
