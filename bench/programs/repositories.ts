import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bytesBelow } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import { freshFolder, NotMeasured, removeFolder, type Settings } from '../settings.ts';
import { initialise } from './keys.ts';
import type { Program } from './program.ts';

/**
 * Copies a repository. Files of a repository are never changed, only added and deleted, so the copy may share
 * them: hard links make it in no time and without writing.
 */
export function cloneRepository(from: string, to: string): void {
  removeFolder(to);
  const flags = process.platform === 'linux' ? '-al' : '-a';
  const { status, stderr } = spawnSync('cp', [flags, from, to], { encoding: 'utf8' });
  if (status !== 0) throw new NotMeasured(`a repository cannot be copied: ${stderr.trim()}`);
}

/** Bytes of a repository's files; locks come and go and do not count. */
export function repositoryBytes(repository: string): number {
  const locks = join(repository, 'locks');
  return bytesBelow(repository) - (existsSync(locks) ? bytesBelow(locks) : 0);
}

/** An initialised, empty repository. Both programs start from copies of it, so both cut files at the same places. */
export async function emptyRepository(
  settings: Settings,
  program: Program,
  lifeboat: Program,
): Promise<string> {
  const repository = join(freshFolder(settings, 'empty'), 'repository');
  await initialise(repository, program, lifeboat);
  return repository;
}

/** The options of every backup: print nothing, and look at no other host's snapshots. */
export const backupOf = (...paths: string[]): string[] => ['backup', '--quiet', '--host', 'bench', ...paths];

interface Statistics {
  readonly total_size?: number;
}

/**
 * Lets another program read a repository that was just written.
 * @throws NotMeasured when it finds errors, or the newest snapshot has not as many bytes as were backed up.
 */
export async function proveBackup(reader: Program, repository: string, bytes: number): Promise<void> {
  await measure(reader.command(repository, 'check'));
  const { stdout } = await measure(
    reader.command(repository, 'stats', '--json', '--mode', 'restore-size', 'latest'),
  );
  const { total_size: total } = JSON.parse(stdout) as Statistics;
  if (total !== bytes)
    throw new NotMeasured(`the snapshot has ${total} bytes, not the ${bytes} that were backed up`);
}
