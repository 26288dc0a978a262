import type { ImmutabilityPolicy } from '../../model/configuration.ts';
import type { Retention } from '../../model/retention.ts';
import { classFor } from '../class-rule.ts';
import type { Pacer } from '../pacer.ts';
import { isCanary, isTransient } from '../transient.ts';
import type { S3Place } from './location.ts';
import type { Role } from './role.ts';

/** Classes whose objects must be brought back before they can be read, so only packs of file content go there. */
const archiveClasses: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

export type Encryption =
  | { readonly kind: 'bucket-default' }
  | { readonly kind: 's3' }
  /** `key` null: the account's default key. */
  | { readonly kind: 'kms'; readonly key: string | null }
  /** A key of 32 bytes that the client sends along with each request. */
  | { readonly kind: 'customer'; readonly key: Uint8Array };

/** Credentials that were given, in place of those that the SDK finds in profiles and on machines of AWS. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Settings extends S3Place {
  /** For messages: the location without anything secret. */
  readonly location: string;
  readonly bucketLookup: 'auto' | 'path' | 'dns';
  /** null: as the SDK finds them (profile, SSO, web identity, container, instance). */
  readonly credentials: S3Credentials | 'anonymous' | null;
  readonly profile: string | null;
  /** Taken with these credentials; null: they are used themselves. */
  readonly role: Role | null;
  readonly connections: number;
  /** null: the bucket's default, STANDARD. */
  readonly storageClass: string | null;
  readonly encryption: Encryption;
  readonly requesterPays: boolean;
  /** PEM of authorities to trust in place of the system's. */
  readonly authorities: readonly string[];
  /** PEM of a certificate with its key that this client shows. */
  readonly clientCertificate: string | null;
  readonly insecureTls: boolean;
  /** A request that moves no byte for this long is given up. */
  readonly stuckMs: number;
  readonly userAgent: string;
  /** Larger objects are sent in parts. At least 5 MiB, as parts of S3 are. */
  readonly multipartFromBytes: number;
  /** Object Lock for what is saved; null: none, or as the bucket's default has it. */
  readonly retention: ImmutabilityPolicy | null;
  /** null: as fast as the network. */
  readonly upload: Pacer | null;
  readonly download: Pacer | null;
  /** Told of each request that is sent, by its name in S3's API, such as `PutObject`: for what it costs. */
  readonly onRequest: ((operation: string) => void) | null;
}

export const s3Defaults = {
  bucketLookup: 'auto',
  credentials: null,
  profile: null,
  role: null,
  connections: 5,
  storageClass: null,
  encryption: { kind: 'bucket-default' },
  requesterPays: false,
  authorities: [],
  clientCertificate: null,
  insecureTls: false,
  stuckMs: 5 * 60_000,
  userAgent: 'lifeboat',
  multipartFromBytes: 64 * 1024 * 1024,
  retention: null,
  upload: null,
  download: null,
  onRequest: null,
} as const satisfies Partial<S3Settings>;

/** The class to store a key in, or null for the bucket's default. */
export function storageClassFor(
  key: string,
  holdsTrees: boolean,
  storageClass: string | null,
): string | null {
  return classFor(key, holdsTrees, storageClass, (name) => archiveClasses.has(name));
}

/** Object Lock of what is saved under a key now; null for none. What comes and goes must be able to go. */
export function retentionFor(
  key: string,
  policy: ImmutabilityPolicy | null,
  nowMs: number,
): Retention | null {
  return policy === null || isTransient(key) || isCanary(key)
    ? null
    : { mode: policy.mode, untilMs: nowMs + policy.forMs };
}
