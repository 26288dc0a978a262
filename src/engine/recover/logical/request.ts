import type { Id } from '../../../model/id.ts';
import type { LogicalDatabase, LogicalManifest } from '../../../model/postgres-manifest.ts';
import type { BlobReader } from '../../../repository/blob-reader.ts';
import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import type { TableName } from '../../../sources/postgres/logical/toc.ts';

/** A restore of dumps: what is asked for, and the plan that answers it. */

export interface LogicalRestoreRequest {
  readonly snapshot: { readonly id: Id; readonly time: string; readonly tree: Id };
  readonly manifest: LogicalManifest;
  readonly reader: BlobReader;
  /** Where to. */
  readonly settings: ConnectionSettings;
  readonly binDirectory: string | null;
  /** Databases of the snapshot; empty: all of them. */
  readonly databases: readonly string[];
  /** New name; of one database only. null: its own. */
  readonly renamed: string | null;
  /** Only these tables and schemas, into the database as it is. */
  readonly tables: readonly TableName[];
  readonly schemas: readonly string[];
  /** Tables that are there are dropped first. */
  readonly drop: boolean;
  readonly jobs: number;
  readonly owner: boolean;
  readonly privileges: boolean;
  /** Roles and tablespaces first. */
  readonly globals: boolean;
  readonly safetyBackup: boolean;
  /** `continue`: objects that cannot be restored are left out, and the restore is then incomplete. */
  readonly onError: 'stop' | 'continue';
  readonly analyze: boolean;
  /** null: the system's folder for temporary files. */
  readonly scratch: string | null;
  readonly signal: AbortSignal;
}

/**
 * How a database comes back. `create`: there is none of the name. `swap`: built beside the old one, which is
 * replaced at the very end. `in-place`: objects are dropped and made in one transaction, as the role may not make
 * databases. `objects`: some tables or schemas in one transaction.
 */
export type RestoreWay = 'create' | 'swap' | 'in-place' | 'objects';

export interface DatabasePlan {
  /** As the snapshot has it. */
  readonly database: LogicalDatabase;
  /** Name on the server. */
  readonly target: string;
  readonly way: RestoreWay;
  /** Bytes of the database that is there; null where there is none. */
  readonly existingBytes: number | null;
  /** Sessions of others that will be ended; 0 where none need be. */
  readonly sessionsToEnd: number;
  /** null: everything. */
  readonly selection: PlannedSelection | null;
  readonly jobs: number;
  /** Null where whoever restores will own it. */
  readonly owner: string | null;
  /** Bytes on this machine while it is restored; 0 where the dump is streamed. */
  readonly scratchBytes: number;
  /** Tables that the dump holds, of those to be restored. */
  readonly tables: number;
}

/** `new` is dropped; `old`, which has what a restore replaced, is backed up and dropped. */
export interface Leftover {
  readonly name: string;
  readonly purpose: 'new' | 'old';
  /** Name of the database that the restore was of. */
  readonly target: string;
}

export interface PlannedSelection {
  readonly tables: readonly TableName[];
  readonly schemas: readonly string[];
  /** Schemas to be made first. */
  readonly missingSchemas: readonly string[];
  /** Tables that are there and will be dropped. */
  readonly replaced: readonly TableName[];
  /** Lines for pg_restore. */
  readonly list: string;
}

export interface LogicalRestorePlan {
  readonly kind: 'postgres-logical-restore';
  readonly source: string;
  readonly snapshot: { readonly id: string; readonly time: string };
  /** `app@db.example.org:5432`, without a database. */
  readonly server: string;
  readonly serverVersion: number;
  readonly toolVersion: number;
  readonly globals: boolean;
  readonly databases: readonly DatabasePlan[];
  /**
   * Databases that are backed up: those that are replaced when nobody is connected to them any more, before they are
   * dropped, and others before their objects are.
   */
  readonly safetyBackup: readonly string[];
  /** Of earlier restores of these databases that were cut off. */
  readonly leftovers: readonly Leftover[];
  readonly scratch: {
    readonly folder: string;
    readonly bytesNeeded: number;
    readonly bytesFree: number;
  } | null;
  readonly owner: boolean;
  readonly privileges: boolean;
  readonly onError: 'stop' | 'continue';
  readonly analyze: boolean;
  readonly warnings: readonly string[];
}

/** Whether data that is there goes away. */
export function overwrites({ databases }: LogicalRestorePlan): boolean {
  return databases.some(({ way, selection }) =>
    way === 'objects' ? (selection?.replaced.length ?? 0) > 0 : way !== 'create',
  );
}
