/** Nouns of protection that a storage enforces against everybody (S3 User Guide "Using S3 Object Lock"). */

export type RetentionMode = 'governance' | 'compliance';

/** Until when one version of an object can be neither deleted nor replaced. */
export interface Retention {
  readonly mode: RetentionMode;
  /** Milliseconds since 1970. */
  readonly untilMs: number;
}

/** What protects one version of an object. */
export interface ObjectProtection {
  /** Null where the storage keeps no versions. */
  readonly versionId: string | null;
  /** Also one that is over; null where there never was one. */
  readonly retention: Retention | null;
  /** Protected until the hold is released, whatever the retention. */
  readonly legalHold: boolean;
}

/** One version of an object, or a delete marker, which hides all versions before it. */
export interface ObjectVersion {
  readonly key: string;
  readonly versionId: string;
  /** What reading the key meets. */
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
  /** When it was stored, milliseconds since 1970. */
  readonly modifiedMs: number;
  /** 0 for delete markers. */
  readonly size: number;
}

/** Whether a version cannot be removed at this moment. */
export function isLocked({ retention, legalHold }: ObjectProtection, nowMs: number): boolean {
  return legalHold || (retention !== null && retention.untilMs > nowMs);
}
