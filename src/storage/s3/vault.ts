import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { ObjectProtection, ObjectVersion, Retention, RetentionMode } from '../../model/retention.ts';
import type { Attempt, Vault, VaultFacts, VersionChoice } from '../vault.ts';
import type { S3Connection } from './client.ts';
import { lacksObjectLock, objectLockMissing, s3CodeOf, statusOf } from './errors.ts';
import type { S3Settings } from './settings.ts';

/** What the driver of S3 has for all its requests. */
export interface S3Requests {
  readonly connection: S3Connection;
  /** Prefix of all keys: empty, or ending in a slash. */
  readonly root: string;
  /** @throws LifeboatError `internal` for what is no key. */
  keyOf(key: string): { readonly Bucket: string; readonly Key: string };
  /** Gives failures their meaning. */
  doing<T>(action: string, work: () => Promise<T>): Promise<T>;
  /** Headers of each request to an object. */
  readonly payer: { readonly RequestPayer?: 'requester' };
  /** Headers of each request that reads. */
  readonly customerKey: object;
  get(input: { Bucket: string; Key: string; VersionId: string }): Promise<Buffer>;
}

const modes: Readonly<Record<string, RetentionMode>> = { GOVERNANCE: 'governance', COMPLIANCE: 'compliance' };

/** The mode as S3 writes it. */
export function lockModeOf(mode: RetentionMode): 'GOVERNANCE' | 'COMPLIANCE' {
  return mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
}

const versionOf = ({ versionId }: VersionChoice): { VersionId?: string } =>
  versionId === undefined ? {} : { VersionId: versionId };

/** Object Lock and versions of a bucket (S3 API "PutObjectRetention", "PutObjectLegalHold", "ListObjectVersions"). */
export function s3Vault(settings: S3Settings, requests: S3Requests): Vault {
  const { connection, root, keyOf, doing, payer, customerKey, get } = requests;
  const { bucket: Bucket, location, retention: policy } = settings;

  /** As `doing`. A bucket without Object Lock refuses to protect anything. */
  function protecting(action: string, work: () => Promise<unknown>): Promise<void> {
    return doing(action, async () => {
      try {
        await work();
      } catch (error) {
        throw lacksObjectLock(error) ? objectLockMissing(action, location, error) : error;
      }
    });
  }

  async function putRetention(
    action: string,
    key: string,
    { mode, untilMs }: Retention,
    attempt: Attempt,
  ): Promise<void> {
    const place = keyOf(key);
    await protecting(action, () =>
      connection.send((client, sdk) =>
        client.send(
          new sdk.PutObjectRetentionCommand({
            ...place,
            ...payer,
            ...versionOf(attempt),
            Retention: { Mode: lockModeOf(mode), RetainUntilDate: new Date(untilMs) },
            ...(attempt.bypassGovernance ? { BypassGovernanceRetention: true } : {}),
          }),
        ),
      ),
    );
  }

  /** What the answer is, or what it means that it was refused. */
  async function asked<T>(work: () => Promise<T>, meaning: (error: unknown) => T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      return meaning(error);
    }
  }

  return {
    policy,

    facts: () =>
      doing('look at the protection of the bucket', async () => {
        const versioning = await asked(
          async () => {
            const { Status } = await connection.send((client, sdk) =>
              client.send(new sdk.GetBucketVersioningCommand({ Bucket })),
            );
            return Status === 'Enabled';
          },
          (error) => {
            if (statusOf(error) === 403) return null;
            // Servers without versions do not know the question.
            if ([405, 501].includes(statusOf(error))) return false;
            throw error;
          },
        );
        const lock = await asked<Pick<VaultFacts, 'locksObjects' | 'defaultMode'>>(
          async () => {
            const { ObjectLockConfiguration: found } = await connection.send((client, sdk) =>
              client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket })),
            );
            const mode = found?.Rule?.DefaultRetention?.Mode;
            return {
              locksObjects: found?.ObjectLockEnabled === 'Enabled',
              defaultMode: mode === undefined ? null : (modes[mode] ?? null),
            };
          },
          (error) => {
            if (statusOf(error) === 403) return { locksObjects: null, defaultMode: null };
            // Servers without Object Lock do not know the question.
            const has = s3CodeOf(error) === 'NoSuchBucket' || ![400, 404, 405, 501].includes(statusOf(error));
            if (has) throw error;
            return { locksObjects: false, defaultMode: null };
          },
        );
        return { keepsVersions: versioning, ...lock };
      }),

    async protection(key, choice = {}) {
      const place = keyOf(key);
      const head = await doing(`look at the protection of ${key}`, () =>
        connection.send((client, sdk) =>
          client.send(
            new sdk.HeadObjectCommand({ ...place, ...payer, ...customerKey, ...versionOf(choice) }),
          ),
        ),
      );
      const mode = head.ObjectLockMode && modes[head.ObjectLockMode];
      const until = head.ObjectLockRetainUntilDate;
      const protection: ObjectProtection = {
        versionId: head.VersionId ?? null,
        retention: mode && until ? { mode, untilMs: until.getTime() } : null,
        legalHold: head.ObjectLockLegalHoldStatus === 'ON',
      };
      return protection;
    },

    extend: (key, retention, choice = {}) =>
      putRetention(`extend the retention of ${key}`, key, retention, choice),

    tryToShorten: (key, retention, attempt) =>
      putRetention(`shorten the retention of ${key}`, key, retention, attempt),

    async setLegalHold(key, on, choice = {}) {
      const place = keyOf(key);
      await protecting(`${on ? 'hold' : 'release'} ${key}`, () =>
        connection.send((client, sdk) =>
          client.send(
            new sdk.PutObjectLegalHoldCommand({
              ...place,
              ...payer,
              ...versionOf(choice),
              LegalHold: { Status: on ? 'ON' : 'OFF' },
            }),
          ),
        ),
      );
    },

    versions: (prefix) =>
      doing(`list the versions of ${prefix || 'the repository'}`, async () => {
        const found: ObjectVersion[] = [];
        let KeyMarker: string | undefined;
        let VersionIdMarker: string | undefined;
        do {
          const page = await connection.send((client, sdk) =>
            client.send(
              new sdk.ListObjectVersionsCommand({
                Bucket,
                Prefix: root + prefix,
                KeyMarker,
                VersionIdMarker,
                ...payer,
              }),
            ),
          );
          found.push(...versionsOfPage(page, root));
          KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
          VersionIdMarker = page.IsTruncated ? page.NextVersionIdMarker : undefined;
        } while (KeyMarker !== undefined);
        return sortedVersions(found);
      }),

    async loadVersion(key, versionId) {
      const place = keyOf(key);
      return doing(`read a version of ${key}`, () => get({ ...place, VersionId: versionId }));
    },

    async removeVersion(key, versionId, { bypassGovernance = false } = {}) {
      const place = keyOf(key);
      await doing(`delete a version of ${key}`, () =>
        connection.send((client, sdk) =>
          client.send(
            new sdk.DeleteObjectCommand({
              ...place,
              ...payer,
              VersionId: versionId,
              ...(bypassGovernance ? { BypassGovernanceRetention: true } : {}),
            }),
          ),
        ),
      );
    },
  };
}

function versionsOfPage(
  { Versions = [], DeleteMarkers = [] }: ListObjectVersionsCommandOutput,
  root: string,
): ObjectVersion[] {
  const found: ObjectVersion[] = [];
  const add = (
    { Key, VersionId, IsLatest, LastModified }: (typeof DeleteMarkers)[number],
    isDeleteMarker: boolean,
    size: number,
  ): void => {
    // Consoles make objects that stand for folders.
    if (Key === undefined || VersionId === undefined || Key.endsWith('/')) return;
    found.push({
      key: Key.slice(root.length),
      versionId: VersionId,
      isLatest: IsLatest ?? false,
      isDeleteMarker,
      modifiedMs: LastModified?.getTime() ?? 0,
      size,
    });
  };
  for (const version of Versions) add(version, false, version.Size ?? 0);
  for (const marker of DeleteMarkers) add(marker, true, 0);
  return found;
}

/** By key, newest first: versions and markers come in lists of their own, each in that order. */
function sortedVersions(found: readonly ObjectVersion[]): ObjectVersion[] {
  return found.toSorted(
    (a, b) =>
      (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) ||
      Number(b.isLatest) - Number(a.isLatest) ||
      b.modifiedMs - a.modifiedMs,
  );
}
