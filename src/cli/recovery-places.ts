import { hasCode } from '../core/errors.ts';
import type { RecoveryPlace } from '../engine/recover/cluster-log.ts';
import { journalEnvelope } from '../repository/envelope.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { type SessionLock, withSessionLock } from './session.ts';

export interface NamedRepository {
  readonly name: string;
  readonly repository: Repository;
}

/** A prune that ends at the very moment is met once, hardly twice. */
const attemptsMax = 3;

/** Works with all repositories locked, so that nothing is pruned away under the restore. */
export function withRecoveryPlaces<T>(
  context: Omit<CommandContext, 'options'>,
  repositories: readonly NamedRepository[],
  work: (places: readonly RecoveryPlace[], signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withPlaces(context, repositories, false, work);
}

/**
 * As `withRecoveryPlaces`, beginning while the locks settle.
 * @param prepare reads; it shows nothing and writes nothing, and is run again where what it read may be outdated.
 */
export async function withPreparedPlaces<P, T>(
  context: Omit<CommandContext, 'options'>,
  repositories: readonly NamedRepository[],
  prepare: (places: readonly RecoveryPlace[], signal: AbortSignal) => Promise<P>,
  work: (prepared: P, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withPlaces(context, repositories, true, async (places, signal, settled) => {
        let prepared: P;
        try {
          prepared = await prepare(places, signal);
        } catch (error) {
          // Where another process was in the way, what could not be read may be its work.
          await settled;
          throw error;
        }
        await settled;
        return work(prepared, signal);
      });
    } catch (error) {
      if (!hasCode(error, 'lock-raced') || attempt === attemptsMax) throw error;
    }
  }
}

async function withPlaces<T>(
  context: Omit<CommandContext, 'options'>,
  repositories: readonly NamedRepository[],
  early: boolean,
  work: (places: readonly RecoveryPlace[], signal: AbortSignal, settled: Promise<unknown>) => Promise<T>,
): Promise<T> {
  const places: RecoveryPlace[] = [];
  const envelopes: { close(): Promise<void> }[] = [];
  const settling: Promise<void>[] = [];
  const lockNext = (rest: readonly NamedRepository[], signal: AbortSignal): Promise<T> => {
    const [first, ...others] = rest;
    if (!first) {
      const settled = Promise.all(settling);
      settled.catch(() => undefined); // awaited by the work when it has read
      return work(places, signal, settled);
    }
    const { name, repository } = first;
    const locked = { ...context, signal } as CommandContext;
    const next = (lost: AbortSignal, { settled }: SessionLock): Promise<T> => {
      const envelope = journalEnvelope(repository);
      envelopes.push(envelope);
      settling.push(settled);
      places.push({ name, repository, journal: { name, storage: repository.storage, envelope } });
      return lockNext(others, lost);
    };
    return withSessionLock(locked, repository, 'shared', next, early);
  };
  try {
    return await lockNext(repositories, context.signal);
  } finally {
    for (const envelope of envelopes) await envelope.close();
  }
}
