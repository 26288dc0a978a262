import { parseGcsLocation } from '../storage/gcs/location.ts';
import {
  type GcsClass,
  type GcsCredentials,
  type GcsSettings,
  gcsClasses,
  gcsDefaults,
} from '../storage/gcs/settings.ts';
import type { RetryOptions } from '../storage/layers/retry.ts';
import { optionsOf, type StorageAccess, wholeFrom } from './storage-access.ts';
import { anyText, endpointUrl, givenTls, triesOptionTable } from './storage-option-values.ts';

/** Options of repositories on Google Cloud Storage, as `-o gs.KEY=VALUE`; those that restic has are restic's. */
export const gcsOptionTable = {
  connections: wholeFrom(1),
  region: anyText,
  'storage-class': storageClass,
  project: anyText,
  endpoint: endpointUrl,
  /** File of a service account, or of what else Google's library knows. */
  credentials: anyText,
  ...triesOptionTable,
} as const;

export interface GcsOpening {
  readonly settings: GcsSettings;
  readonly tries: RetryOptions;
}

/** @throws LifeboatError `usage`. */
export function gcsOpening(location: string, access: StorageAccess): GcsOpening {
  const { env } = access;
  const given = optionsOf('gs', gcsOptionTable, access);
  const emulator = env.STORAGE_EMULATOR_HOST || null;
  const settings: GcsSettings = {
    ...gcsDefaults,
    ...parseGcsLocation(location),
    location,
    endpoint: given.endpoint ?? (emulator === null ? gcsDefaults.endpoint : emulatorUrl(emulator)),
    credentials: credentialsOf(
      given.credentials ?? null,
      access,
      emulator !== null && given.endpoint === undefined,
    ),
    project: given.project ?? (env.GOOGLE_PROJECT_ID || null),
    region: given.region ?? gcsDefaults.region,
    storageClass: given['storage-class'] ?? null,
    connections: given.connections ?? gcsDefaults.connections,
    ...givenTls(access),
    stuckMs: access.stuckMs,
    userAgent: access.userAgent,
    onRequest: access.onRequest ?? null,
  };
  return { settings, tries: { attemptsMax: given.retries, ceilingMs: given['retry-for'] } };
}

function storageClass(text: string): GcsClass {
  const known = gcsClasses.find((name) => name === text.toUpperCase());
  if (known) return known;
  throw new Error(`expected one of ${gcsClasses.join(', ')}`);
}

/** As Google's own programs read the variable: a host and port, or a URL. */
function emulatorUrl(given: string): string {
  return (/^https?:\/\//.test(given) ? given : `http://${given}`).replace(/\/+$/, '');
}

function credentialsOf(
  keyFile: string | null,
  { env, hide }: StorageAccess,
  isEmulator: boolean,
): GcsCredentials {
  if (keyFile !== null) return { kind: 'file', path: keyFile };
  const token = env.GOOGLE_ACCESS_TOKEN;
  if (token) {
    hide?.(token);
    return { kind: 'token', token };
  }
  if (isEmulator) return { kind: 'anonymous' };
  return { kind: 'default' };
}
