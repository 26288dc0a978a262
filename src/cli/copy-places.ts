import { provingAccess } from '../app/proving-access.ts';
import type { CopyPlace } from '../engine/copy/plan-copy.ts';
import type { Configuration } from '../model/configuration.ts';
import { nothingProven, type ProofCounts, type ProofMode } from '../model/proof.ts';
import { journalEnvelope } from '../repository/envelope.ts';
import { acquireLock } from '../repository/lock.ts';
import type { CommandContext } from './command.ts';
import { openConfigured } from './configured.ts';

/** Repositories that a copy reads or fills, each opened and locked once, whatever routes it is on. */
export interface CopyPlaces {
  /** @throws LifeboatError as `openConfigured` and `acquireLock`; the same again where it is asked again. */
  open(name: string): Promise<CopyPlace>;
  /** Those that are open. */
  opened(): readonly CopyPlace[];
  /** Whether it was asked for and could not be opened. */
  failed(name: string): boolean;
  /** Forgets that a repository could not be opened, to try again. */
  retry(name: string): void;
  /** What was proven of what a target was sent. */
  proof(name: string): ProofCounts;
  /** Gives the locks back. */
  close(): Promise<void>;
}

type Context = Omit<CommandContext, 'options'>;

export interface CopyPlacesOptions {
  readonly verify: ProofMode;
  /** Names of those that are written to: --no-lock is not for them, as a lock keeps what they have from being pruned. */
  readonly targets: ReadonlySet<string>;
  /** Nothing is written, so targets are not locked. */
  readonly dryRun: boolean;
}

export function copyPlaces(
  context: Context,
  configuration: Configuration,
  { verify, targets, dryRun }: CopyPlacesOptions,
): CopyPlaces {
  const { global, signal, output } = context;
  const opening = new Map<string, Promise<CopyPlace>>();
  const opened = new Map<string, CopyPlace>();
  const proofs = new Map<string, () => ProofCounts>();
  const closing: (() => Promise<unknown>)[] = [];

  async function openOne(name: string): Promise<CopyPlace> {
    const repository = await openConfigured(context, configuration, name, {
      readOnly: dryRun,
      through(access) {
        const proving = provingAccess(access, verify);
        proofs.set(name, proving.counts);
        return proving.access;
      },
    });
    const isLocked = !dryRun && (targets.has(name) || !global.noLock);
    const lock = isLocked
      ? await acquireLock(repository, {
          exclusive: false,
          retryForMs: global.retryLockMs,
          signal,
          onWait: (error) => output.warn(`${name}: ${error.message}; waiting for it`),
        })
      : null;
    if (lock) closing.push(() => lock.release());
    const envelope = journalEnvelope(repository);
    closing.push(() => envelope.close());
    const journal = { name, storage: repository.storage, envelope };
    return { name, repository, journal, signal: lock?.signal ?? signal };
  }

  return {
    open(name) {
      let place = opening.get(name);
      if (!place) {
        place = openOne(name);
        opening.set(name, place);
        place.then(
          (open) => opened.set(name, open),
          () => undefined, // told where it is awaited
        );
      }
      return place;
    },
    opened: () => [...opened.values()],
    failed: (name) => opening.has(name) && !opened.has(name),
    retry: (name) => void opening.delete(name),
    proof: (name) => proofs.get(name)?.() ?? nothingProven,
    async close() {
      await Promise.allSettled(opening.values());
      // One lock that cannot be given back does not keep the others.
      const ended = await Promise.allSettled(closing.map((each) => each()));
      for (const each of ended) if (each.status === 'rejected' && !signal.aborted) throw each.reason;
    },
  };
}
