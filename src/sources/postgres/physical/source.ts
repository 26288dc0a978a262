import { LifeboatError } from '../../../core/errors.ts';
import type { PhysicalManifest } from '../../../model/postgres-manifest.ts';
import type { EntryRun, SourceEntry } from '../../../model/source-entry.ts';
import { requireOwnSession } from '../connection/pooler.ts';
import { readServerFacts, type ServerFacts } from '../connection/server.ts';
import { openSqlSession, type SqlSession } from '../connection/session.ts';
import { withoutStranger } from './continuation.ts';
import { localEntries } from './local.ts';
import { strangerReason } from './local-server.ts';
import { tagsOf } from './manifest.ts';
import type { PhysicalBackupOptions, PhysicalSource } from './options.ts';
import { checkServerVersion, checkWalLevel } from './server-queries.ts';

/** A physical backup of a PostgreSQL cluster as a source of entries. */
export function createPhysicalSource(given: PhysicalBackupOptions): PhysicalSource {
  let written: PhysicalManifest | null = null;
  const done = (manifest: PhysicalManifest): void => {
    written = manifest;
  };

  async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
    const session = await openSqlSession(given.settings, {
      signal: given.signal,
      applicationName: 'lifeboat backup',
    });
    try {
      const server = await readServerFacts(session);
      requireOwnSession(server, session, 'a physical backup');
      checkServerVersion(server);
      checkWalLevel(server);
      const options = withoutStranger(given, server, run.warning);
      const local = await localDirectory(options, session, server);
      if (local.directory !== null) yield* localEntries(options, session, server, local.directory, run, done);
      else {
        const { remoteEntries } = await import('./remote.ts');
        yield* remoteEntries(options, session, server, run, done);
      }
    } finally {
      await session.close();
    }
  }

  return {
    paths: [`/${given.source}`],
    entries,
    tags: () => (written ? tagsOf(written) : []),
    manifest: () => written,
  };
}

/**
 * The data directory where the backup can read it itself; null to ask the server for everything.
 * @throws LifeboatError `source-unreadable` where local was asked for and cannot be.
 */
async function localDirectory(
  options: PhysicalBackupOptions,
  session: SqlSession,
  server: ServerFacts,
): Promise<{ directory: string | null }> {
  if (options.way === 'remote') return { directory: null };
  const directory = options.dataDirectory ?? server.dataDirectory;
  const reason = directory
    ? await strangerReason(session, directory, server.systemIdentifier)
    : 'the role may not ask for the data directory (GRANT pg_read_all_settings)';
  if (reason === null) return { directory };
  if (options.way === 'auto') return { directory: null };
  throw new LifeboatError('source-unreadable', `a local backup is not possible: ${reason}`, {
    hint: 'run Lifeboat on the server’s machine with `data-directory` set, or set `way: remote` for this source',
  });
}
