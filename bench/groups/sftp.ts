import { libraries, smallFiles } from '../data/sets.ts';
import { sftpPlace } from '../distance/sftp.ts';
import type { Bench } from '../work.ts';
import { distantFirst, distantRestore, distantUnchanged } from './distant.ts';

const delayMs = 50;
const factor = 2;

/** As if the server were far away. */
export async function sftpDelayed(bench: Bench): Promise<void> {
  await sftpWork(bench, 'sftp-delayed', `SFTP with ${delayMs} ms more there and back`, delayMs);
}

export async function sftp(bench: Bench): Promise<void> {
  await sftpWork(bench, 'sftp', 'SFTP', 0);
}

async function sftpWork(bench: Bench, group: string, way: string, addedMs: number): Promise<void> {
  const work = { group, way, open: () => sftpPlace(bench.settings, addedMs), factor };
  await distantFirst(bench, { ...work, recipe: libraries });
  await distantUnchanged(bench, { ...work, recipe: smallFiles });
  await distantRestore(bench, { ...work, recipe: libraries });
}
