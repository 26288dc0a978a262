import type { StorageClass } from './storage-class.ts';

/** The configuration file as parsed. Names refer to the maps; durations are milliseconds, sizes are bytes. */

/** Where a secret comes from: `env:NAME`, `file:PATH` or `command:LINE`; never the secret itself. */
export type SecretReference = string & { readonly __secret: true };

export interface RepositoryConfiguration {
  /** As on the command line: a path, or a location with a scheme. */
  readonly location: string;
  /** Options of its storage, as `-o` gives them: `s3.region`. */
  readonly options: Readonly<Record<string, string>>;
  readonly password: SecretReference;
  /** What one disaster takes as a whole: a building, a region, an account. null: as its location tells. */
  readonly site: string | null;
  /** A medium that is taken away: while it is absent its copies are old, not lost. */
  readonly removable: boolean;
  readonly immutability: ImmutabilityPolicy | null;
  /** From the hottest to the coldest; empty: all stays in the class in which it was stored. */
  readonly tiers: readonly Tier[];
  readonly lifecycle: LifecyclePolicy;
}

export const tierKeeps = ['all', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type TierKeep = (typeof tierKeeps)[number];

/** Snapshots of a kind, how long they are kept, and the storage class of what only they need. */
export interface Tier {
  readonly keep: TierKeep;
  /** Counted back from the newest snapshot, in units of the calendar. */
  readonly for: {
    readonly years: number;
    readonly months: number;
    readonly days: number;
    readonly hours: number;
  };
  readonly class: StorageClass;
}

/** What the bucket tidies up by itself; days, as buckets know nothing finer. */
export interface LifecyclePolicy {
  /** Versions that were replaced or deleted stay for so long, also when no Object Lock holds them. */
  readonly keepNoncurrentDays: number;
  /** Uploads that were begun and not finished. */
  readonly abortUploadsDays: number;
}

/** Object Lock of all that is stored, but for locks of the repository. */
export interface ImmutabilityPolicy {
  /** `governance` can be lifted by who has the right to; `compliance` by nobody. */
  readonly mode: 'governance' | 'compliance';
  readonly forMs: number;
}

export interface JournalConfiguration {
  /** `receive`: by the replication protocol; `push`: by archive_command and `lifeboat wal push`. */
  readonly way: 'receive' | 'push';
  readonly maxLagMs: number;
  /** A slice is shipped when it is this large, whatever its age. */
  readonly sliceBytesMax: number;
  /** Name of the physical replication slot. */
  readonly slot: string;
  /** Alarm when the slot holds back more than this. */
  readonly slotBytesMax: number;
  /** How long a backup waits for a forced segment to arrive. */
  readonly proofTimeoutMs: number;
}

export interface Hook {
  /** A command line for `sh -c`, or null where it is an HTTP check. */
  readonly command: string | null;
  /** GET must answer with a status below 400. */
  readonly http: string | null;
  readonly timeoutMs: number;
}

export interface PostgresSource {
  readonly type: 'postgres';
  readonly name: string;
  /** A connection URI or keyword string of libpq, possibly with the password in it; null: libpq's environment and defaults. */
  readonly url: SecretReference | string | null;
  /** Instead of one in the URL. */
  readonly password: SecretReference | null;
  readonly method: 'logical' | 'physical';
  /** `auto`: local where the server's data directory can be read here and is that of this server. */
  readonly way: 'auto' | 'local' | 'remote';
  /** As this machine sees it, where it differs from what the server says; null: as the server says. */
  readonly dataDirectory: string | null;
  /** Folder of pg_dump, pg_ctl and so on; null: found by version. */
  readonly binDirectory: string | null;
  /** The type of a backup for which none is asked for. */
  readonly backupType: 'full' | 'differential' | 'incremental';
  /** Logical: databases to dump; empty: the one of the URL, or all where `allDatabases`. */
  readonly databases: readonly string[];
  readonly allDatabases: boolean;
  readonly includeSchemas: readonly string[];
  readonly excludeSchemas: readonly string[];
  readonly includeTables: readonly string[];
  readonly excludeTables: readonly string[];
  readonly schemaOnly: boolean;
  /** Logical: parallel jobs; above 1 by the directory format through a scratch folder. */
  readonly jobs: number;
  /** null: the system's folder for temporary files. */
  readonly scratch: string | null;
  /** null: no journal, so no recovery to points between backups. */
  readonly journal: JournalConfiguration | null;
  readonly hooks: {
    readonly beforeBackup: readonly Hook[];
    readonly afterBackup: readonly Hook[];
    readonly beforeRestore: readonly Hook[];
    readonly afterRestore: readonly Hook[];
  };
}

export interface FilesSource {
  readonly type: 'files';
  readonly name: string;
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
}

export type SourceConfiguration = PostgresSource | FilesSource;

/** Sources and the repositories that keep them. */
export interface Protection {
  readonly sources: readonly string[];
  readonly to: readonly string[];
  /** Repositories that `lifeboat copy` fills from the first of `to`. */
  readonly copies: readonly string[];
}

export interface Configuration {
  readonly version: 1;
  /** The file it was read from. */
  readonly path: string;
  readonly repositories: Readonly<Record<string, RepositoryConfiguration>>;
  readonly sources: Readonly<Record<string, SourceConfiguration>>;
  /** Where the file has none: every source to every repository. */
  readonly protect: readonly Protection[];
}

/** Names of the repositories that keep a source, each once, in the order of the file. */
export function repositoriesOfSource({ protect }: Configuration, source: string): string[] {
  const kept = protect.filter(({ sources }) => sources.includes(source)).flatMap(({ to }) => to);
  return [...new Set(kept)];
}

/** Names of the repositories that hold a source, those filled by copying last, each once. */
export function holdersOfSource(configuration: Configuration, source: string): string[] {
  const { protect } = configuration;
  const copied = protect.filter(({ sources }) => sources.includes(source)).flatMap(({ copies }) => copies);
  return [...new Set([...repositoriesOfSource(configuration, source), ...copied])];
}
