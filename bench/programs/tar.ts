import { hasCommand } from '../../scripts/test/system-packages.ts';
import type { Command } from '../measure/process.ts';
import { NotMeasured } from '../settings.ts';
import { canInstall, install } from './install.ts';

export const tarName = 'tar | zstd -3 -T2';

/** @throws NotMeasured where tar or zstd is missing. */
export function needTar(): void {
  if (!hasCommand('zstd') && canInstall()) install(['tar', 'zstd']);
  if (!hasCommand('tar') || !hasCommand('zstd')) throw new NotMeasured('tar or zstd is not installed');
}

/** Packs a folder into one file: no encryption, no checksums, no deduplication. */
export function tarCommand(folder: string, target: string): Command {
  return { file: 'sh', args: ['-c', 'tar -cf - -C "$1" . | zstd -q -3 -T2 -o "$2"', 'tar', folder, target] };
}
