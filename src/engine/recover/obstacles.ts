import { LifeboatError } from '../../core/errors.ts';
import { runningServer } from '../../sources/postgres/recovery/data-directory.ts';
import type { PlanInput, RecoveryPlan } from './plan.ts';

/** What stands in the way of a recovery that is planned, so that it is told before anyone is asked or stopped. */

interface Planned {
  readonly plan: RecoveryPlan;
  readonly input: PlanInput;
}

/** @throws LifeboatError `recovery-server-running`, `target-failed` for too small a disk. */
export function demandClearWay({ plan, input }: Planned): void {
  const running = runningServer(plan.dataDirectory);
  // A recovery that we began and did not end is ours to stop.
  if (running && !input.stopServer && plan.mode !== 'resume')
    throw new LifeboatError(
      'recovery-server-running',
      `a server runs in ${plan.dataDirectory} (process ${running.pid}); nothing was changed`,
    );
  demandSpace(plan);
}

function demandSpace({ disks }: RecoveryPlan): void {
  const full = disks.find(({ enough }) => !enough);
  if (!full) return;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new LifeboatError(
    'target-failed',
    `the file system of ${full.path} has ${mebibytes(full.freeBytes)} free and ${mebibytes(full.neededBytes)} are needed; nothing was changed`,
    { hint: 'free space there, or restore to another place with --target and --tablespace' },
  );
}
