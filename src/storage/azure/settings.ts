import type { TlsSettings } from '../agent.ts';
import type { Pacer } from '../pacer.ts';
import type { AzurePlace } from './location.ts';

/** Access tiers of block blobs (Azure Blob Storage documentation, "Access tiers for blob data"). */
export const azureTiers = ['Hot', 'Cool', 'Cold', 'Archive'] as const;

export type AzureTier = (typeof azureTiers)[number];

/** Whose blobs must be brought back before they can be read, so only packs of file content go there. */
export const isForContent = (tier: AzureTier): boolean => tier === 'Archive';

export type AzureCredentials =
  /** Base64, as the portal shows it. Asked for with the first request, as the signature is. */
  | { readonly kind: 'key'; readonly account: string; key(): Promise<string> }
  /** A shared access signature, with or without its question mark. */
  | { readonly kind: 'sas'; signature(): Promise<string> }
  /** As the Azure CLI is logged in. */
  | { readonly kind: 'cli' }
  /** As Azure's library finds them: variables, workload, managed identity, tools that are logged in. */
  | { readonly kind: 'default' };

export interface AzureSettings extends AzurePlace, TlsSettings {
  /** For messages: the location without anything secret. */
  readonly location: string;
  /** Of the account, without a slash at its end. */
  readonly endpoint: string;
  readonly credentials: AzureCredentials;
  readonly connections: number;
  /** null: the account's default. */
  readonly tier: AzureTier | null;
  /** A connection on which nothing moves for this long is closed. */
  readonly stuckMs: number;
  readonly userAgent: string;
  /** Larger blobs are sent in blocks. */
  readonly blocksFromBytes: number;
  /** null: as fast as the network. */
  readonly upload: Pacer | null;
  readonly download: Pacer | null;
  /** Told of each request that is sent, by its name in the REST API, such as `Put Blob`. */
  readonly onRequest: ((operation: string) => void) | null;
}

export const azureDefaults = {
  connections: 5,
  tier: null,
  authorities: [],
  clientCertificate: null,
  insecureTls: false,
  stuckMs: 5 * 60_000,
  userAgent: 'lifeboat',
  blocksFromBytes: 64 * 1024 * 1024,
  upload: null,
  download: null,
  onRequest: null,
} as const satisfies Partial<AzureSettings>;
