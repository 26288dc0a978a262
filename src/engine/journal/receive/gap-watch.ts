import { setTimeout as sleep } from 'node:timers/promises';
import type { WalRange } from '../../../model/wal.ts';
import type { Repository } from '../../../repository/repository.ts';
import { listSnapshots } from '../../../repository/snapshots.ts';
import { backupPointOf } from '../../recover/backup-points.ts';
import type { Alarms } from './alarms.ts';

/** A gap in the log matters until a backup reaches behind it: a snapshot has the log up to its own end in itself. */

/** @returns whether a snapshot of the source in one of the repositories ends behind what is missing. */
export async function hasBackupBehind(
  repositories: readonly { readonly name: string; readonly repository: Repository }[],
  source: string,
  missing: WalRange,
): Promise<boolean> {
  for (const { name, repository } of repositories) {
    const { snapshots } = await listSnapshots(repository, true);
    const points = snapshots.map((snapshot) => backupPointOf(snapshot, name, source));
    if (points.some((point) => point && point.timeline >= missing.timeline && point.stop >= missing.end))
      return true;
  }
  return false;
}

/** Clears the alarm of a gap once it is closed, until the signal aborts. */
export async function watchGap(options: {
  readonly alarms: Alarms;
  readonly isClosed: (missing: WalRange) => Promise<boolean>;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { alarms, isClosed, everyMs, signal } = options;
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    const gap = alarms.standing().find((alarm) => alarm.kind === 'gap');
    if (!gap || signal.aborted) continue;
    // A repository that is out of reach is an alarm of others; the gap stands until it is known to be closed.
    const closed = await isClosed(gap.missing).catch(() => false);
    if (closed && alarms.standing().includes(gap)) alarms.clear('gap');
  }
}
