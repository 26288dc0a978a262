import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { withSessionLock } from './session.ts';

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;

async function isDue(repository: Repository): Promise<boolean> {
  if (!repository.storage.vault?.policy) return false;
  const { isRetentionDue } = await import('../engine/immutability/retain.ts');
  return isRetentionDue(repository);
}

/**
 * Where what is stored is kept for a time: one question about the config, and where it is due, what snapshots need is
 * protected for longer. Under the caller's lock.
 * @throws LifeboatError `retention-not-extended`.
 */
export async function retainIfDue(
  context: Pick<Context, 'output' | 'env'>,
  repository: Repository,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isDue(repository))) return;
  const { runRetain } = await import('./run-retain.ts');
  await runRetain(context, repository, { dryRun: false, askAll: false, signal });
}

/** The same after a backup, under a lock of its own. */
export async function retainAfterBackup(context: Context, repository: Repository): Promise<void> {
  if (!(await isDue(repository))) return;
  const { runRetain } = await import('./run-retain.ts');
  await withSessionLock(context, repository, 'shared', (signal) =>
    runRetain(context, repository, { dryRun: false, askAll: false, signal }),
  );
}
