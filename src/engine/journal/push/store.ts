import { dirname } from 'node:path';
import { LifeboatError } from '../../../core/errors.ts';
import type { JournalPlace } from '../../../journal/envelope.ts';
import { saveHistory } from '../../../journal/history.ts';
import { savePiece } from '../../../journal/save.ts';
import { checkStream, otherCluster } from '../known-streams.ts';
import { type ArchiveFile, readArchiveFile } from './archive-file.ts';
import { isReady } from './ready-files.ts';
import type { ReadWhole } from './whole-file.ts';

/** Stores files that archive_command was given. */

export interface ArchiveStore {
  /**
   * Resolves when the file is durable in every place.
   * @param mustBeReady looked at once the file is read: what PostgreSQL does not wait for any more may have been
   *   used for something else meanwhile, and is not stored.
   * @returns `known`: all of it was there already; `ignored`: a file that recovery does not need.
   * @throws LifeboatError `wal-file-invalid`, `wal-other-cluster`, `journal-conflict` where the same name was
   *   archived with other content, errors of the storage.
   */
  store(path: string, mustBeReady: boolean): Promise<'stored' | 'known' | 'ignored'>;
}

export interface ArchiveStoreOptions {
  readonly places: readonly JournalPlace[];
  readonly source: string;
  /** Begin the journal of a further cluster, as the user said that it was replaced or upgraded. */
  readonly acceptNewCluster: boolean;
  /** What the server itself says, where it was asked. */
  readonly server?: { readonly systemIdentifier: string; readonly major: number } | undefined;
  /** Its memory may serve one file after the other: then one file at a time. */
  readonly read?: ReadWhole;
}

export function createArchiveStore(options: ArchiveStoreOptions): ArchiveStore {
  const { places, source, server } = options;
  /** Clusters that were looked up: a journal never loses one. */
  const accepted = new Set<string>();

  async function accept(file: ArchiveFile): Promise<void> {
    const found = file.systemIdentifier;
    if (server && server.systemIdentifier !== found)
      throw otherCluster(source, server.systemIdentifier, found);
    if (server && file.kind === 'log' && server.major !== file.major) {
      throw new LifeboatError(
        'wal-file-invalid',
        `${file.name} was written by PostgreSQL ${file.major}, but the server is PostgreSQL ${server.major}`,
      );
    }
    if (accepted.has(found)) return;
    await checkStream(
      places,
      { source, stream: found },
      { acceptNew: options.acceptNewCluster, ...(file.kind === 'log' ? { unit: file.facts.unit } : {}) },
    );
    accepted.add(found);
  }

  return {
    async store(path, mustBeReady) {
      const file = await readArchiveFile(path, options.read);
      if (mustBeReady && !(await isReady(dirname(dirname(path)), file.name))) {
        throw new LifeboatError('wal-file-invalid', `PostgreSQL does not wait for ${file.name} any more`);
      }
      if (file.kind === 'ignored') return 'ignored';
      await accept(file);
      const stream = { source, stream: file.systemIdentifier };
      const settled = await Promise.allSettled(
        places.map(async (place) =>
          file.kind === 'history'
            ? saveHistory(place, stream, file.timeline, file.bytes)
            : (await savePiece(place, stream, file.facts, file.bytes)).status,
        ),
      );
      // Only now that no place is at it any more may the file's memory be used again.
      const outcomes = settled.map((outcome) => {
        if (outcome.status === 'rejected') throw outcome.reason;
        return outcome.value;
      });
      return outcomes.every((outcome) => outcome === 'already there') ? 'known' : 'stored';
    },
  };
}
