import { LifeboatError } from '../core/errors.ts';
import type { ImmutabilityPolicy } from '../model/configuration.ts';
import type { Pacer } from '../storage/pacer.ts';
import { parseS3Location } from '../storage/s3/location.ts';
import type { Role } from '../storage/s3/role.ts';
import { type Encryption, type S3Credentials, type S3Settings, s3Defaults } from '../storage/s3/settings.ts';
import {
  oneOf,
  optionsOf,
  type StorageAccess,
  type StorageOptionValues,
  truth,
  wholeFrom,
} from './storage-access.ts';
import { anyText, duration, givenTls, optionFile, triesOptionTable } from './storage-option-values.ts';

/** Options of repositories on S3, as `-o s3.KEY=VALUE`; those that restic has are restic's. */
export const s3OptionTable = {
  'storage-class': upperCase,
  connections: wholeFrom(1),
  region: anyText,
  'bucket-lookup': oneOf('auto', 'dns', 'path'),
  'unsafe-anonymous-auth': truth,
  profile: anyText,
  sse: oneOf('AES256', 'aws:kms'),
  'sse-kms-key': anyText,
  'sse-c-key': anyText,
  'requester-pays': truth,
  retention: retentionPolicy,
  ...triesOptionTable,
} as const;

type Given = StorageOptionValues<typeof s3OptionTable>;

/** Tries of one operation, by how often and how long. */
export interface S3Tries {
  readonly attemptsMax: number | undefined;
  readonly ceilingMs: number | undefined;
}

export interface Pacers {
  readonly upload: Pacer | null;
  readonly download: Pacer | null;
}

export interface S3Opening {
  readonly settings: S3Settings;
  readonly tries: S3Tries;
}

/** @throws LifeboatError `usage`, `secret-missing`. */
export function s3Opening(location: string, access: StorageAccess, pacers: Pacers): S3Opening {
  const { env } = access;
  const given = optionsOf('s3', s3OptionTable, access);
  const place = parseS3Location(location);
  const settings: S3Settings = {
    ...s3Defaults,
    ...place,
    location,
    // A host that tells its region is believed before a variable that is meant for other programs as well.
    region: given.region ?? place.region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || null),
    bucketLookup: given['bucket-lookup'] ?? s3Defaults.bucketLookup,
    credentials: credentialsOf(given, env),
    profile: given.profile ?? (env.AWS_PROFILE || null),
    role: roleOf(env, given.region ?? place.region),
    connections: given.connections ?? s3Defaults.connections,
    storageClass: given['storage-class'] ?? null,
    encryption: encryptionOf(given, access),
    requesterPays: given['requester-pays'] ?? false,
    retention: given.retention ?? null,
    ...givenTls(access),
    stuckMs: access.stuckMs,
    userAgent: access.userAgent,
    onRequest: access.onRequest ?? null,
    ...pacers,
  };
  return { settings, tries: { attemptsMax: given.retries, ceilingMs: given['retry-for'] } };
}

/** `compliance:30d`, as `immutability` of a configuration becomes it. */
function retentionPolicy(text: string): ImmutabilityPolicy {
  const [, mode, period] = /^(governance|compliance):(.+)$/.exec(text) ?? [];
  if (mode === undefined || period === undefined)
    throw new Error('expected governance or compliance, a colon and a duration, such as compliance:30d');
  const forMs = duration(period);
  if (forMs < 1_000) throw new Error('expected at least 1s');
  return { mode: mode as ImmutabilityPolicy['mode'], forMs };
}

/** Variables as restic reads them. @param region of the bucket, as far as it is known. */
function roleOf(env: StorageAccess['env'], region: string | null): Role | null {
  const told = (name: string): string | null => env[`RESTIC_AWS_ASSUME_ROLE_${name}`] || null;
  const arn = told('ARN');
  return arn === null
    ? null
    : {
        arn,
        sessionName: told('SESSION_NAME') ?? 'lifeboat',
        externalId: told('EXTERNAL_ID'),
        policy: told('POLICY'),
        region: told('REGION') ?? region,
        endpoint: told('STS_ENDPOINT'),
      };
}

function upperCase(text: string): string {
  return anyText(text).toUpperCase();
}

/** Variables as restic reads them. null: the SDK looks in profiles and asks the machine. */
function credentialsOf(options: Given, env: StorageAccess['env']): S3Credentials | 'anonymous' | null {
  if (options['unsafe-anonymous-auth']) return 'anonymous';
  // Who names a profile means that one.
  if (options.profile !== undefined) return null;
  const pairs = [
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    ['MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY'],
  ] as const;
  for (const [idName, secretName] of pairs) {
    const accessKeyId = env[idName];
    const secretAccessKey = env[secretName];
    if (!accessKeyId && !secretAccessKey) continue;
    if (!accessKeyId || !secretAccessKey)
      throw new LifeboatError(
        'storage-credentials',
        accessKeyId
          ? `${idName} is set but ${secretName} is not`
          : `${secretName} is set but ${idName} is not`,
      );
    const sessionToken = env.AWS_SESSION_TOKEN;
    return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  }
  return null;
}

function encryptionOf(options: Given, access: StorageAccess): Encryption {
  const { sse, 'sse-kms-key': kmsKey, 'sse-c-key': customerKey } = options;
  if (customerKey !== undefined) {
    if (sse !== undefined || kmsKey !== undefined)
      throw new LifeboatError('usage', 's3.sse-c-key excludes s3.sse and s3.sse-kms-key');
    return { kind: 'customer', key: customerKeyOf(customerKey, access) };
  }
  if (kmsKey !== undefined || sse === 'aws:kms') {
    if (sse === 'AES256') throw new LifeboatError('usage', 's3.sse-kms-key is for s3.sse=aws:kms');
    return { kind: 'kms', key: kmsKey ?? null };
  }
  return { kind: sse === 'AES256' ? 's3' : 'bucket-default' };
}

/** @throws LifeboatError `usage` for a key that is no reference, `secret-missing`. */
function customerKeyOf(reference: string, { env }: StorageAccess): Uint8Array {
  const [, kind, rest = ''] = /^(env|file):(.+)$/.exec(reference) ?? [];
  if (kind === undefined)
    throw new LifeboatError('usage', 's3.sse-c-key is a reference to the key, never the key itself', {
      hint: 'write env:NAME or file:PATH; the content is 32 bytes, or their base64',
    });
  const content = kind === 'env' ? Buffer.from(env[rest] ?? '') : optionFile(rest, `the key ${reference}`);
  const key = content.length === 32 ? content : Buffer.from(content.toString('latin1').trim(), 'base64');
  if (key.length === 32) return key;
  throw new LifeboatError(
    'secret-missing',
    `${reference} does not hold a key of 32 bytes, nor the base64 of one`,
  );
}
