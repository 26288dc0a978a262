import { spawnSync } from 'node:child_process';
import { hasCommand } from '../../scripts/test/system-packages.ts';

export const canInstall = (): boolean => process.getuid?.() === 0 && hasCommand('apt-get');

/** Installs Debian packages; whether that worked, the caller sees by looking for their commands. */
export function install(packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]): number | null =>
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: 'ignore' }).status;
  const wanted = ['install', '-y', '--no-install-recommends', ...packages];
  // The package lists may be old or absent, as in a fresh container.
  if (apt(...wanted) !== 0 && apt('update') === 0) apt(...wanted);
}
