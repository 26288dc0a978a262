/** What `.lifeboat/manifest.json` of a PostgreSQL snapshot says. Positions are text, as PostgreSQL prints them. */

export type BackupType = 'full' | 'differential' | 'incremental';

/**
 * Layout of a physical snapshot of the source NAME:
 *
 *     /NAME/data/…                  the data directory with backup_label, tablespace_map and, in pg_wal, the WAL
 *                                   from `start` to `stop`; links in pg_tblspc point to the original places
 *     /NAME/tablespaces/OID/…       content of each tablespace outside of the data directory
 *     /NAME/config/PATH             configuration files that lie outside of the data directory, by their own paths
 *     /NAME/.lifeboat/manifest.json
 */
export interface PhysicalManifest {
  readonly version: 1;
  readonly kind: 'postgres-physical';
  readonly source: string;
  readonly type: BackupType;
  /** Snapshot whose content was taken over for files that had not changed; null where all was read. */
  readonly comparedWith: string | null;
  readonly way: 'local' | 'remote';
  readonly fromStandby: boolean;
  /** As pg_control has it: decimal, unsigned 64 bits. */
  readonly systemIdentifier: string;
  /** server_version_num, such as 150019. */
  readonly serverVersion: number;
  readonly dataDirectory: string;
  readonly segmentBytes: number;
  readonly blockBytes: number;
  /** Bytes of a blob of a relation's file; the next backup keeps it, so that blobs stay the same. */
  readonly chunkBytes: number;
  readonly dataChecksums: boolean;
  readonly timeline: number;
  /** WAL from `start` (the checkpoint's redo) up to `stop` is needed for consistency. */
  readonly start: string;
  readonly stop: string;
  /** Clock of the server, RFC 3339, milliseconds: just before the copy began, and when it had ended. */
  readonly startTime: string;
  readonly stopTime: string;
  readonly tablespaces: readonly {
    readonly oid: number;
    readonly location: string;
    readonly bytes: number;
  }[];
  readonly databases: readonly { readonly oid: number; readonly name: string }[];
  /** Page verification, by path in the snapshot; at most 1,000 pages are listed. */
  readonly damagedPages: readonly { readonly path: string; readonly block: number }[];
  readonly damagedPageCount: number;
  readonly bytes: number;
  readonly files: number;
  /** Kept in `/NAME/config`; snapshots from before this was kept do not say. */
  readonly configuration?: readonly ConfigurationFile[];
}

/** A configuration file outside of the data directory. */
export interface ConfigurationFile {
  readonly path: string;
  /** `main` is config_file, the next two are hba_file and ident_file; `other` are files of Debian's tools. */
  readonly role: 'main' | 'hba' | 'ident' | 'included' | 'other';
}

/**
 * Layout of a logical snapshot of the source NAME:
 *
 *     /NAME/globals.sql                   roles, tablespaces and their settings, of pg_dumpall --globals-only
 *     /NAME/databases/DATABASE.dump       pg_dump -Fc -Z0; or a folder DATABASE.dir of pg_dump -Fd -Z0
 *     /NAME/.lifeboat/manifest.json
 */
export interface LogicalManifest {
  readonly version: 1;
  readonly kind: 'postgres-logical';
  readonly source: string;
  readonly serverVersion: number;
  /** Of pg_dump, such as 150019. */
  readonly toolVersion: number;
  readonly startTime: string;
  readonly stopTime: string;
  /** False where the role may not read them; why is in `globalsProblem`. */
  readonly globals: boolean;
  readonly globalsProblem: string | null;
  /** Whether globals.sql has the passwords of roles, as hashes. */
  readonly rolePasswords: boolean;
  readonly databases: readonly {
    readonly name: string;
    /** Path in the snapshot below /NAME/. */
    readonly path: string;
    readonly format: 'custom' | 'directory';
    readonly owner: string;
    readonly encoding: string;
    readonly collate: string;
    readonly ctype: string;
    /** `c` libc, `i` ICU, `b` built in (pg_database.datlocprovider); before PostgreSQL 15 always `c`. */
    readonly localeProvider: string;
    /** Of ICU and the built-in provider. */
    readonly locale: string | null;
    readonly icuRules: string | null;
    readonly comment: string | null;
    /** -1 for no limit. */
    readonly connectionLimit: number;
    /** null where they are what a new database has. */
    readonly grants:
      | readonly { readonly grantee: string; readonly privilege: string; readonly grantable: boolean }[]
      | null;
    /** Of ALTER DATABASE … SET, and of ALTER ROLE … IN DATABASE … SET where a role is named. */
    readonly settings: readonly {
      readonly role: string | null;
      readonly name: string;
      readonly value: string;
    }[];
    /** Just before its dump began, RFC 3339: the dump holds what was committed until then. */
    readonly dumpTime: string;
    /** Bytes of the dump. */
    readonly bytes: number;
    /** On the server, indexes included. */
    readonly databaseBytes: number;
    /** Bytes of a chunk on average; the next backup keeps it where it can, so that blobs stay the same. */
    readonly chunkBytes: number;
  }[];
  readonly schemaOnly: boolean;
  readonly includeSchemas: readonly string[];
  readonly excludeSchemas: readonly string[];
  readonly includeTables: readonly string[];
  readonly excludeTables: readonly string[];
}

/** Short tags of a snapshot, so that a listing need not read trees: `lifeboat:key=value`. */
export const postgresTags = {
  source: 'lifeboat:source',
  kind: 'lifeboat:kind',
  type: 'lifeboat:type',
  systemIdentifier: 'lifeboat:system',
  timeline: 'lifeboat:timeline',
  start: 'lifeboat:start-lsn',
  stop: 'lifeboat:stop-lsn',
  /** RFC 3339; from here on the snapshot can be recovered to. */
  stopTime: 'lifeboat:stop-time',
} as const;

/** The value of a tag `key=value`, or null. */
export function tagValue(tags: readonly string[] | undefined, key: string): string | null {
  const tag = tags?.find((each) => each.startsWith(`${key}=`));
  return tag === undefined ? null : tag.slice(key.length + 1);
}

export type LogicalDatabase = LogicalManifest['databases'][number];
