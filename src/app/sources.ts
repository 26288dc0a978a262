import { LifeboatError } from '../core/errors.ts';
import type { Configuration, JournalConfiguration, PostgresSource } from '../model/configuration.ts';
import type { BackupType, LogicalManifest, PhysicalManifest } from '../model/postgres-manifest.ts';
import type { EntrySource } from '../model/source-entry.ts';
import type { Repository } from '../repository/repository.ts';
import type { ArchivingProof } from '../sources/postgres/physical/options.ts';
import type { SecretSurroundings } from './configuration/secret.ts';
import { postgresConnection } from './postgres-connection.ts';

/** From a source of the configuration to the driver that reads it. */

export type DatabaseManifest = PhysicalManifest | LogicalManifest;

export interface SourceBackup {
  /** Of physical backups. */
  readonly type: BackupType;
  /** The snapshot that this one goes on from; null where all is read as if for the first time. */
  readonly base: { readonly snapshot: string; readonly manifest: DatabaseManifest } | null;
  /** Of the last backup of this source and method, whatever its type; null for the first. */
  readonly previous: DatabaseManifest | null;
  /** Where the snapshot goes: the journal of the source, if it has one, must be known to arrive there. */
  readonly place: { readonly name: string; readonly repository: Repository };
  readonly secrets: SecretSurroundings;
}

/** A database about to be backed up, once. */
export interface DatabaseBackup extends EntrySource {
  /** What was written as the manifest; null until the entries have ended. */
  manifest(): DatabaseManifest | null;
}

type Driver = (source: PostgresSource, backup: SourceBackup) => Promise<DatabaseBackup>;

/** Drivers are loaded when they are used: backups of files need none of them. */
const drivers: Readonly<Record<PostgresSource['method'], Driver>> = {
  async physical(source, { type, base, previous: last, place, secrets }) {
    const [settings, { createPhysicalSource }] = await Promise.all([
      postgresConnection(source, secrets),
      import('../sources/postgres/physical/source.ts'),
    ]);
    const { name, way, dataDirectory } = source;
    const comparedWith =
      base?.manifest.kind === 'postgres-physical'
        ? { snapshot: base.snapshot, manifest: base.manifest }
        : null;
    const previous = last?.kind === 'postgres-physical' ? last : null;
    const { signal } = secrets;
    const archiving = source.journal
      ? await archivingProof(source.name, source.journal, place, signal)
      : null;
    return createPhysicalSource({
      ...{ source: name, settings, way, dataDirectory, type, comparedWith, previous, archiving, signal },
    });
  },
  async logical(source, { base, secrets }) {
    const [settings, { createLogicalSource }, { lockWaitDefaultMs }] = await Promise.all([
      postgresConnection(source, secrets),
      import('../sources/postgres/logical/source.ts'),
      import('../sources/postgres/logical/options.ts'),
    ]);
    const { includeSchemas, excludeSchemas, includeTables, excludeTables, schemaOnly } = source;
    return createLogicalSource({
      source: source.name,
      settings,
      binDirectory: source.binDirectory,
      databases: source.databases,
      allDatabases: source.allDatabases,
      selection: { includeSchemas, excludeSchemas, includeTables, excludeTables, schemaOnly },
      jobs: source.jobs,
      scratch: source.scratch,
      lockWaitMs: lockWaitDefaultMs,
      previous: base?.manifest.kind === 'postgres-logical' ? base.manifest : null,
      signal: secrets.signal,
    });
  },
};

async function archivingProof(
  source: string,
  journal: JournalConfiguration,
  place: SourceBackup['place'],
  signal: AbortSignal,
): Promise<ArchivingProof> {
  const [{ createArchivingProof }, { journalPlaces }] = await Promise.all([
    import('../engine/journal/prove-archiving.ts'),
    import('../engine/journal/journal-places.ts'),
  ]);
  // Only what is stored is looked at: nothing is sealed or opened, so no threads start and none need to end.
  const { places } = journalPlaces([place], { threads: 0 });
  return createArchivingProof({ source, places, journal, signal });
}

/**
 * Opens a database of the configuration for one backup. It connects when its entries are asked for.
 * @throws LifeboatError `usage` for a source that is no database, `secret-missing`, `database-settings`.
 */
export async function openSource(
  configuration: Configuration,
  name: string,
  backup: SourceBackup,
): Promise<DatabaseBackup> {
  const source = configuration.sources[name];
  if (source?.type !== 'postgres') throw new LifeboatError('usage', `${name} is not a database`);
  return drivers[source.method](source, backup);
}
