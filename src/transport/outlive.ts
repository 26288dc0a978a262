import { spawnSync } from 'node:child_process';
import { isMainThread } from 'node:worker_threads';

/**
 * Programs that end with this process, however it ends: the kernel tells them so (prctl(2), PR_SET_PDEATHSIG). Those
 * that read from or write to a pipe of ours notice by themselves; a dump into a folder would go on for hours.
 */

/** Of util-linux, from 2.33 on with the option. */
const setpriv = '/usr/bin/setpriv';
const option = ['--pdeathsig', 'TERM'];

let known: boolean | null = null;

/** Whether programs can be bound to this process. The signal comes when the thread ends that started them. */
export function bindsPrograms(): boolean {
  if (!isMainThread) return false;
  known ??= spawnSync(setpriv, [...option, '/bin/true'], { stdio: 'ignore' }).status === 0;
  return known;
}

/** The command that runs a program so that it ends with this process; the very program where that cannot be had. */
export function boundToUs(
  program: string,
  args: readonly string[],
): { program: string; args: readonly string[] } {
  if (!program.startsWith('/') || !bindsPrograms()) return { program, args };
  return { program: setpriv, args: [...option, program, ...args] };
}
