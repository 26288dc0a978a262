import { spawnSync } from 'node:child_process';
import type { Command } from '../measure/process.ts';
import { NotMeasured } from '../settings.ts';

/** A program that keeps repositories of restic's format: Lifeboat and restic take the same arguments. */
export interface Program {
  /** As tables call it, version included. */
  readonly name: string;
  /** The command with these arguments on the repository at `repository`. */
  readonly command: (repository: string, ...args: string[]) => Command;
}

/** Of all repositories of the bench; it guards nothing. */
export const benchPassword = 'bench';

/** The first line that a program prints about its version. @throws NotMeasured when it cannot be run. */
export function versionLine(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  const line = `${stdout}\n${stderr}`.trim().split('\n')[0] ?? '';
  if (status !== 0) throw new NotMeasured(`${file} cannot be run: ${error?.message ?? line}`);
  return line;
}
