import type { HttpSettings } from '../http.ts';
import type { GcsPlace } from './location.ts';

/** Classes of Google Cloud Storage (Cloud Storage documentation, "Storage classes"). All can be read at once. */
export const gcsClasses = ['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE'] as const;

export type GcsClass = (typeof gcsClasses)[number];

/** Whose objects cost most to read and are paid for 90 days and more, so only packs of file content go there. */
export const isForContent = (given: GcsClass): boolean => given === 'COLDLINE' || given === 'ARCHIVE';

export type GcsCredentials =
  /** An access token that somebody else renews. */
  | { readonly kind: 'token'; readonly token: string }
  /** A key of a service account, or a login of a user, as `gcloud` writes them. */
  | { readonly kind: 'file'; readonly path: string }
  /** As Google's library finds them: GOOGLE_APPLICATION_CREDENTIALS, the login of `gcloud`, the machine. */
  | { readonly kind: 'default' }
  /** For emulators, and for buckets that everybody may read. */
  | { readonly kind: 'anonymous' };

export interface GcsSettings extends GcsPlace, HttpSettings {
  /** For messages: the location without anything secret. */
  readonly location: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly credentials: GcsCredentials;
  /** Where a bucket is made; null: it cannot be made. */
  readonly project: string | null;
  /** Where a bucket is made. */
  readonly region: string;
  /** null: the bucket's default. */
  readonly storageClass: GcsClass | null;
  /** Told of each request that is sent, by its name in the JSON API, such as `objects.insert`. */
  readonly onRequest: ((operation: string) => void) | null;
}

export const gcsDefaults = {
  endpoint: 'https://storage.googleapis.com',
  project: null,
  region: 'us',
  storageClass: null,
  connections: 5,
  authorities: [],
  clientCertificate: null,
  insecureTls: false,
  stuckMs: 5 * 60_000,
  userAgent: 'lifeboat',
  onRequest: null,
} as const satisfies Partial<GcsSettings>;
