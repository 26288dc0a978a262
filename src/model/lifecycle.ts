/** A bucket's lifecycle configuration, as far as it matters what it does to objects (S3 API, LifecycleRule). */

export interface LifecycleTransition {
  /** Days after the object was made; null where `date` says when. */
  readonly days: number | null;
  readonly date: string | null;
  readonly storageClass: string;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  /** Objects whose keys begin so; empty for all. */
  readonly prefix: string;
  /** Objects that have all of these. */
  readonly tags: Readonly<Record<string, string>>;
  readonly bytesAbove: number | null;
  readonly bytesBelow: number | null;
  readonly transitions: readonly LifecycleTransition[];
  /** Deletes current objects after so many days, or from a date on. */
  readonly expiration: { readonly days: number | null; readonly date: string | null } | null;
  /** Removes delete markers that no version is behind. */
  readonly expiredDeleteMarkers: boolean;
  readonly noncurrentTransitions: readonly { readonly days: number; readonly storageClass: string }[];
  /** Deletes versions so many days after they were replaced or deleted. */
  readonly noncurrentExpirationDays: number | null;
  readonly abortUploadsAfterDays: number | null;
}

/** A rule that a bucket has. `source` is the storage's own form of it, in which it is written back unchanged. */
export interface StoredLifecycleRule extends LifecycleRule {
  readonly source: unknown;
}

export const noRule = {
  enabled: true,
  prefix: '',
  tags: {},
  bytesAbove: null,
  bytesBelow: null,
  transitions: [],
  expiration: null,
  expiredDeleteMarkers: false,
  noncurrentTransitions: [],
  noncurrentExpirationDays: null,
  abortUploadsAfterDays: null,
} as const satisfies Omit<LifecycleRule, 'id'>;

/** One rule of a bucket's replication (S3 API, ReplicationRule). */
export interface ReplicationRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly prefix: string;
  /** Whether it is limited to objects with tags. */
  readonly onTags: boolean;
  readonly priority: number | null;
  /** Name or ARN of the bucket that objects go to. */
  readonly destination: string;
  readonly storageClass: string | null;
  readonly replicatesDeleteMarkers: boolean;
}

/** S3 API, HeadObject: x-amz-replication-status; null where the storage says nothing of it. */
export type ReplicationStatus = 'PENDING' | 'COMPLETED' | 'FAILED' | 'REPLICA' | null;
