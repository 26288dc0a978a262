import type { JournalPlace } from '../../journal/envelope.ts';
import { journalEnvelope } from '../../repository/envelope.ts';
import type { Repository } from '../../repository/repository.ts';

/** Repositories as places of a journal. */
export interface OpenPlaces {
  readonly places: readonly JournalPlace[];
  /** Ends the threads that seal and open. */
  close(): Promise<void>;
}

/** @param repositories by the names that messages use. */
export function journalPlaces(
  repositories: readonly { readonly name: string; readonly repository: Repository }[],
  options: { readonly threads?: number } = {},
): OpenPlaces {
  const open = repositories.map(({ name, repository }) => ({
    name,
    storage: repository.storage,
    envelope: journalEnvelope(repository, options),
  }));
  return {
    places: open,
    async close() {
      for (const { envelope } of open) await envelope.close();
    },
  };
}
