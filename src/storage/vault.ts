import type { ImmutabilityPolicy } from '../model/configuration.ts';
import type { ObjectProtection, ObjectVersion, Retention } from '../model/retention.ts';

/** What the storage says of itself; null where the credentials may not ask. */
export interface VaultFacts {
  readonly keepsVersions: boolean | null;
  /** Whether retention and holds are to be had. */
  readonly locksObjects: boolean | null;
  /** What the storage gives objects that bring no retention of their own. */
  readonly defaultMode: Retention['mode'] | null;
}

export interface VersionChoice {
  /** Absent: the latest. */
  readonly versionId?: string;
}

export interface Attempt extends VersionChoice {
  /** Asks for what only some accounts may do under `governance`. */
  readonly bypassGovernance?: boolean;
}

/**
 * Protection that the storage itself enforces: retention, legal holds, versions. Keys and errors as those of
 * `Storage`; `storage-denied` also where a version is protected, `storage-object-lock-missing` where the storage
 * could protect objects and does not here.
 */
export interface Vault {
  /** What new objects are given, or null. Transient keys never are. */
  readonly policy: ImmutabilityPolicy | null;

  facts(): Promise<VaultFacts>;

  /** What protects an object now. Throws `storage-missing-file` for an absent one. */
  protection(key: string, choice?: VersionChoice): Promise<ObjectProtection>;

  /** Protects an object until then. The storage refuses what would end earlier than now. Idempotent. */
  extend(key: string, retention: Retention, choice?: VersionChoice): Promise<void>;

  /** Idempotent. */
  setLegalHold(key: string, on: boolean, choice?: VersionChoice): Promise<void>;

  /** All versions and delete markers of keys that start with `prefix` ('' or ending in `/`); of a key newest first. */
  versions(prefix: string): Promise<ObjectVersion[]>;

  loadVersion(key: string, versionId: string): Promise<Buffer>;

  /** Removes one version or delete marker for good; one that is gone counts as removed. */
  removeVersion(key: string, versionId: string, attempt?: Omit<Attempt, 'versionId'>): Promise<void>;

  /** Asks for a retention that ends earlier: for tests of what the storage refuses. */
  tryToShorten(key: string, retention: Retention, attempt: Attempt): Promise<void>;
}
