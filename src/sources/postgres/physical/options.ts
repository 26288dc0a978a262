import type { BackupType, ConfigurationFile, PhysicalManifest } from '../../../model/postgres-manifest.ts';
import type { EntrySource } from '../../../model/source-entry.ts';
import type { Lsn, Timeline } from '../../../model/wal.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import type { ConnectionSettings } from '../connection/settings.ts';

/** What a physical backup is to do. */
export interface PhysicalBackupOptions {
  /** Name of the source; the snapshot's top folder. */
  readonly source: string;
  readonly settings: ConnectionSettings;
  readonly way: 'auto' | 'local' | 'remote';
  /** As this machine sees it; null: as the server says. */
  readonly dataDirectory: string | null;
  readonly type: BackupType;
  /** The snapshot whose unchanged files need not be read again; null: all is read. */
  readonly comparedWith: { readonly snapshot: string; readonly manifest: PhysicalManifest } | null;
  /** The last backup of the source, of whatever type: its chunk size is kept. null for the first. */
  readonly previous: PhysicalManifest | null;
  /** Of a source with a journal; null where there is none, and so nothing to prove. */
  readonly archiving: ArchivingProof | null;
  readonly signal: AbortSignal;
}

/** How a backup makes sure that the journal will take it on from its end. */
export interface ArchivingProof {
  /** Forces a segment and waits for it. @throws LifeboatError `wal-not-archived` with the reason. */
  prove(session: SqlSession, facts: ServerFacts): Promise<void>;
  /** Waits until the journal holds everything before `stop`. @throws LifeboatError `wal-not-archived`. */
  complete(session: SqlSession, facts: ServerFacts, timeline: Timeline, stop: Lsn): Promise<void>;
}

export interface PhysicalSource extends EntrySource {
  /** What was written as the manifest; null until the entries have ended. */
  manifest(): PhysicalManifest | null;
}

/** What both ways know when the copy has begun, for the manifest. */
export interface CopyFacts {
  readonly way: 'local' | 'remote';
  readonly server: ServerFacts;
  readonly dataDirectory: string;
  readonly chunkBytes: number;
  readonly startTime: string;
  readonly databases: readonly { readonly oid: number; readonly name: string }[];
  /** Files outside of the data directory that are kept. */
  readonly configuration: readonly ConfigurationFile[];
}
