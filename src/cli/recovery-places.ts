import type { RecoveryPlace } from '../engine/recover/cluster-log.ts';
import { journalEnvelope } from '../repository/envelope.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { withSessionLock } from './session.ts';

export interface NamedRepository {
  readonly name: string;
  readonly repository: Repository;
}

/** Works with all repositories locked, so that nothing is pruned away under the restore. */
export async function withRecoveryPlaces<T>(
  context: Omit<CommandContext, 'options'>,
  repositories: readonly NamedRepository[],
  work: (places: readonly RecoveryPlace[], signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const places: RecoveryPlace[] = [];
  const envelopes: { close(): Promise<void> }[] = [];
  const lockNext = (rest: readonly NamedRepository[], signal: AbortSignal): Promise<T> => {
    const [first, ...others] = rest;
    if (!first) return work(places, signal);
    const { name, repository } = first;
    const locked = { ...context, signal } as CommandContext;
    return withSessionLock(locked, repository, 'shared', (lost) => {
      const envelope = journalEnvelope(repository);
      envelopes.push(envelope);
      places.push({ name, repository, journal: { name, storage: repository.storage, envelope } });
      return lockNext(others, lost);
    });
  };
  try {
    return await lockNext(repositories, context.signal);
  } finally {
    for (const envelope of envelopes) await envelope.close();
  }
}
