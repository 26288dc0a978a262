import type {
  LifecycleRule,
  ReplicationRule,
  ReplicationStatus,
  StoredLifecycleRule,
} from '../model/lifecycle.ts';

/** What can be asked of the bucket that a storage lies in. Every method rejects as those of `Storage` do. */
export interface Bucket {
  readonly name: string;
  /** What all keys of the storage begin with in the bucket: `prod/`, or empty. */
  readonly root: string;
  /** Whether it is AWS's own, whose prices and limits are known. */
  readonly isAws: boolean;

  /** All rules, also those of others. Null where the storage has no lifecycle at all. Idempotent. */
  lifecycle(): Promise<readonly StoredLifecycleRule[] | null>;

  /**
   * Puts these rules in the place of all that there are. Rules with a `source` are written as they were read.
   * S3 knows no condition here: of two who write at once the later one wins.
   */
  replaceLifecycle(rules: readonly (LifecycleRule | StoredLifecycleRule)[]): Promise<void>;

  /** Rules by which the storage itself copies objects elsewhere; empty for none, null where it cannot. Idempotent. */
  replication(): Promise<readonly ReplicationRule[] | null>;

  /** Whether an object was copied elsewhere. @throws LifeboatError `storage-missing-file`. Idempotent. */
  replicationStatus(key: string): Promise<ReplicationStatus>;

  /** Whether old versions are kept; null where the storage does not say. Idempotent. */
  versioning(): Promise<'enabled' | 'suspended' | 'off' | null>;
}
