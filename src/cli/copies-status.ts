import { hostname } from 'node:os';
import { noteKnown, readKnown } from '../app/known-repositories.ts';
import type { StorageAccess } from '../app/storage-access.ts';
import { storagePlaceOf } from '../app/storage-place.ts';
import { type ErrorCode, messageOf } from '../core/errors.ts';
import { journalPlaces } from '../engine/journal/journal-places.ts';
import { seenProtection } from '../engine/status/protection.ts';
import { newestOf, scanSources } from '../engine/status/scan-repository.ts';
import {
  type Configuration,
  holdersOfSource,
  type RepositoryConfiguration,
  repositoriesOfSource,
} from '../model/configuration.ts';
import { type KnownRepository, unknownRepository } from '../model/known-repository.ts';
import { type CopiesVerdict, type HeldCopy, judgeCopies, type Protected } from '../policy/copy-rules.ts';
import type { Repository } from '../repository/repository.ts';
import { listSnapshots } from '../repository/snapshots.ts';
import type { CommandContext } from './command.ts';
import { openConfigured } from './configured.ts';
import { scannedSources } from './remember-places.ts';
import { asLifeboatError } from './report-error.ts';

/** Gathers what there is of each source in each repository, and judges it. */

type Context = Omit<CommandContext, 'options'>;

/** A repository as it was found, or as it is remembered. */
interface Looked {
  readonly state: HeldCopy['state'];
  /** Why it is not there, or null. */
  readonly reason: string | null;
  readonly known: KnownRepository;
  readonly protection: Readonly<Record<string, Protected>>;
}

export interface RepositoryStatus extends HeldCopy {
  readonly reason: string | null;
  /** RFC 3339: when it was last looked at; now for those that are there. */
  readonly seenAt: string | null;
}

export interface SourceCopies {
  readonly source: string;
  readonly journaled: boolean;
  readonly repositories: readonly RepositoryStatus[];
  readonly verdict: CopiesVerdict;
}

/** How long a repository is tried that does not answer: who asks how things are should not wait a quarter of an hour. */
const answerWithin = '10s';

/** @param names of sources; empty: all. */
export async function copiesStatus(
  context: Context,
  configuration: Configuration,
  names: readonly string[],
): Promise<SourceCopies[]> {
  const here = hostname();
  const wanted = names.length > 0 ? names : Object.keys(configuration.sources);
  const holders = [...new Set(wanted.flatMap((name) => holdersOfSource(configuration, name)))];
  const looked = new Map(
    await Promise.all(
      holders.map(
        async (name): Promise<[string, Looked]> => [name, await lookAt(context, configuration, name)],
      ),
    ),
  );
  return wanted.map((source) => {
    const filled = repositoriesOfSource(configuration, source);
    const repositories = holdersOfSource(configuration, source).map((name): RepositoryStatus => {
      const { state, reason, known, protection } = looked.get(name)!;
      const held = known.sources[source];
      return {
        repository: name,
        by: filled.includes(name) ? 'backup' : 'copy',
        ...storagePlaceOf(configuration.repositories[name]!, here),
        state,
        reason,
        seenAt: known.seenAt,
        snapshots: held?.snapshots ?? 0,
        newest: held?.newest ?? null,
        journalUntil: held?.journalUntil ?? null,
        protection: protection[source] ?? 'none',
        verified: known.verified,
      };
    });
    const found = configuration.sources[source]!;
    const journaled = found.type === 'postgres' && found.journal !== null;
    return {
      source,
      journaled,
      repositories,
      verdict: judgeCopies(source, distinct(configuration, repositories), here),
    };
  });
}

/** Two names of one location are one copy. */
function distinct(configuration: Configuration, all: readonly RepositoryStatus[]): RepositoryStatus[] {
  const locationOf = ({ repository }: RepositoryStatus): string =>
    configuration.repositories[repository]!.location;
  return all.filter((each, n) => all.findIndex((other) => locationOf(other) === locationOf(each)) === n);
}

async function lookAt(context: Context, configuration: Configuration, name: string): Promise<Looked> {
  const repository = configuration.repositories[name]!;
  const { location } = repository;
  const remembered = (await readKnown(location, context.env)) ?? unknownRepository(location);
  const configuredProtection = protectionOf(repository);
  try {
    const open = await openConfigured(context, configuration, name, {
      readOnly: true,
      through: impatient(location),
    });
    const { facts, protection } = await scan(open, configuration, configuredProtection);
    await noteKnown(location, open.storage.location, facts, context.env).catch((error: unknown) =>
      context.output.warn(`warning: what ${name} holds could not be noted: ${messageOf(error)}`),
    );
    return { state: 'there', reason: null, known: { ...remembered, ...facts }, protection };
  } catch (thrown) {
    const error = asLifeboatError(thrown, context.signal);
    if (context.signal.aborted || error.code === 'internal') throw error;
    const protection = Object.fromEntries(
      Object.keys(configuration.sources).map((source) => [source, configuredProtection]),
    );
    return {
      state: stateOf(error.code, repository.removable),
      reason: error.message,
      known: remembered,
      protection,
    };
  }
}

function stateOf(code: ErrorCode, removable: boolean): HeldCopy['state'] {
  if (code === 'repository-absent' || (removable && code === 'storage-unreachable')) return 'absent';
  return code === 'repository-missing' ? 'missing' : 'unreachable';
}

/** Before the storage was asked. */
function protectionOf({ immutability, options }: RepositoryConfiguration): Protected {
  if (immutability) return 'not-seen';
  return options['storage.append-only'] === 'true' ? 'append-only' : 'none';
}

async function scan(
  repository: Repository,
  configuration: Configuration,
  configured: Protected,
): Promise<{
  readonly facts: Pick<KnownRepository, 'repository' | 'seenAt' | 'sources'>;
  readonly protection: Record<string, Protected>;
}> {
  const { snapshots } = await listSnapshots(repository, true);
  const { places, close } = journalPlaces([{ name: repository.storage.location, repository }], {
    threads: 0,
  });
  try {
    const sources = await scanSources(snapshots, places[0]!, scannedSources(configuration));
    const protection: Record<string, Protected> = {};
    for (const source of Object.keys(sources))
      protection[source] =
        configured === 'not-seen'
          ? await seenProtection(repository, newestOf(snapshots, source))
          : configured;
    return {
      facts: { repository: repository.config.id, seenAt: new Date().toISOString(), sources },
      protection,
    };
  } finally {
    await close();
  }
}

function impatient(location: string): (access: StorageAccess) => StorageAccess {
  const scheme = /^([a-z0-9]+):/.exec(location)?.[1];
  return (access) => {
    const { onRetry: _, ...quiet } = access;
    const shares = access.shares ?? access;
    // What the user gives stands behind it, and so counts more.
    return scheme
      ? { ...quiet, shares, options: [[`${scheme}.retry-for`, answerWithin], ...access.options] }
      : quiet;
  };
}
