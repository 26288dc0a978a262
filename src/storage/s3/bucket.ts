import { createHash } from 'node:crypto';
import type { LifecycleRule as S3Rule } from '@aws-sdk/client-s3';
import type { LifecycleRule, ReplicationRule, StoredLifecycleRule } from '../../model/lifecycle.ts';
import type { Bucket } from '../bucket.ts';
import { s3CodeOf, statusOf } from './errors.ts';
import type { S3Settings } from './settings.ts';
import type { S3Requests } from './vault.ts';

/** Says what a request with a body needs beyond its checksum: Ceph's gateway asks for the MD5. */
interface Signable {
  readonly middlewareStack: {
    add(middleware: never, options: { readonly step: 'build'; readonly name: string }): void;
  };
}

export function withContentMd5<T extends Signable>(command: T): T {
  const middleware =
    (next: (args: unknown) => Promise<unknown>) =>
    (args: { readonly request: { readonly headers: Record<string, string>; readonly body?: string } }) => {
      const { headers, body = '' } = args.request;
      headers['content-md5'] = createHash('md5').update(body).digest('base64');
      return next(args);
    };
  command.middlewareStack.add(middleware as never, { step: 'build', name: 'lifeboatContentMd5' });
  return command;
}

const absentCodes: ReadonlySet<string> = new Set([
  'NoSuchLifecycleConfiguration',
  'ReplicationConfigurationNotFoundError',
  'ReplicationConfigurationNotFound',
]);

/** Whether the storage does not know the question, which is no failure of it. */
function isUnknownToServer(error: unknown): boolean {
  return statusOf(error) === 501 || ['NotImplemented', 'XNotImplemented'].includes(s3CodeOf(error));
}

export function s3Bucket({ bucket: Bucket, isAws }: S3Settings, requests: S3Requests): Bucket {
  const { connection, root, keyOf, doing, payer, customerKey } = requests;
  /** What of the configuration is no rule, and is written back as it was read. */
  let sizeMinimum: { readonly TransitionDefaultMinimumObjectSize?: never } = {};

  /** @returns null where there is no such configuration, `'unknown'` where the storage has none. */
  async function configuration<T>(action: string, ask: () => Promise<T>): Promise<T | null | 'unknown'> {
    return doing(action, async () => {
      try {
        return await ask();
      } catch (error) {
        if (absentCodes.has(s3CodeOf(error))) return null;
        if (isUnknownToServer(error)) return 'unknown';
        throw error;
      }
    });
  }

  return {
    name: Bucket,
    root,
    isAws,
    async lifecycle() {
      const found = await configuration('read the lifecycle of the bucket', () =>
        connection.send((client, sdk) =>
          client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket })),
        ),
      );
      if (found === 'unknown') return null;
      const minimum = found?.TransitionDefaultMinimumObjectSize;
      sizeMinimum =
        minimum === undefined ? {} : { TransitionDefaultMinimumObjectSize: minimum as unknown as never };
      return (found?.Rules ?? []).map(ruleOf);
    },
    async replaceLifecycle(rules) {
      await doing('write the lifecycle of the bucket', () =>
        connection.send((client, sdk) => {
          if (rules.length === 0) return client.send(new sdk.DeleteBucketLifecycleCommand({ Bucket }));
          const command = new sdk.PutBucketLifecycleConfigurationCommand({
            Bucket,
            ...sizeMinimum,
            LifecycleConfiguration: {
              Rules: rules.map((rule) => ('source' in rule ? (rule.source as S3Rule) : writtenRule(rule))),
            },
          });
          return client.send(withContentMd5(command)).then(() => undefined);
        }),
      );
    },
    async replication() {
      const found = await configuration('read the replication of the bucket', () =>
        connection.send((client, sdk) => client.send(new sdk.GetBucketReplicationCommand({ Bucket }))),
      );
      if (found === 'unknown') return null;
      return (found?.ReplicationConfiguration?.Rules ?? []).map((rule, n): ReplicationRule => {
        const { Filter: filter } = rule;
        return {
          id: rule.ID ?? `rule ${n + 1}`,
          enabled: rule.Status === 'Enabled',
          prefix: filter?.Prefix ?? filter?.And?.Prefix ?? rule.Prefix ?? '',
          onTags: filter?.Tag !== undefined || (filter?.And?.Tags?.length ?? 0) > 0,
          priority: rule.Priority ?? null,
          destination: rule.Destination?.Bucket ?? '',
          storageClass: rule.Destination?.StorageClass ?? null,
          replicatesDeleteMarkers: rule.DeleteMarkerReplication?.Status === 'Enabled',
        };
      });
    },
    replicationStatus: (key) =>
      doing(`look for ${key}`, async () => {
        const head = await connection.send((client, sdk) =>
          client.send(new sdk.HeadObjectCommand({ ...keyOf(key), ...payer, ...customerKey })),
        );
        // Older answers say COMPLETE.
        const status = head.ReplicationStatus as string | undefined;
        if (status === 'COMPLETE') return 'COMPLETED';
        return status === 'PENDING' || status === 'COMPLETED' || status === 'FAILED' || status === 'REPLICA'
          ? status
          : null;
      }),
    async versioning() {
      const found = await configuration('read whether the bucket keeps versions', () =>
        connection.send((client, sdk) => client.send(new sdk.GetBucketVersioningCommand({ Bucket }))),
      );
      if (found === 'unknown' || found === null) return null;
      return found.Status === 'Enabled' ? 'enabled' : found.Status === 'Suspended' ? 'suspended' : 'off';
    },
  };
}

/** What a rule of the bucket means. */
export function ruleOf(source: S3Rule, position = 0): StoredLifecycleRule {
  const { Filter: filter, Expiration: expiration } = source;
  const tags = [...(filter?.Tag ? [filter.Tag] : []), ...(filter?.And?.Tags ?? [])];
  const whenOf = (date: Date | undefined): string | null => date?.toISOString() ?? null;
  const expires = expiration?.Days !== undefined || expiration?.Date !== undefined;
  return {
    id: source.ID ?? `rule ${position + 1}`,
    enabled: source.Status === 'Enabled',
    prefix: filter?.Prefix ?? filter?.And?.Prefix ?? source.Prefix ?? '',
    tags: Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value])),
    bytesAbove: filter?.ObjectSizeGreaterThan ?? filter?.And?.ObjectSizeGreaterThan ?? null,
    bytesBelow: filter?.ObjectSizeLessThan ?? filter?.And?.ObjectSizeLessThan ?? null,
    transitions: (source.Transitions ?? []).map(({ Days, Date: date, StorageClass }) => ({
      days: Days ?? (date ? null : 0),
      date: whenOf(date),
      storageClass: StorageClass ?? '',
    })),
    expiration: expires ? { days: expiration.Days ?? null, date: whenOf(expiration.Date) } : null,
    expiredDeleteMarkers: expiration?.ExpiredObjectDeleteMarker ?? false,
    noncurrentTransitions: (source.NoncurrentVersionTransitions ?? []).map(
      ({ NoncurrentDays = 0, StorageClass = '' }) => ({ days: NoncurrentDays, storageClass: StorageClass }),
    ),
    noncurrentExpirationDays: source.NoncurrentVersionExpiration?.NoncurrentDays ?? null,
    abortUploadsAfterDays: source.AbortIncompleteMultipartUpload?.DaysAfterInitiation ?? null,
    source,
  };
}

/** A rule as S3 takes it; several conditions, and only they, go into `And`. */
export function writtenRule(rule: LifecycleRule): S3Rule {
  const tags = Object.entries(rule.tags).map(([Key, Value]) => ({ Key, Value }));
  const sizes = {
    ...(rule.bytesAbove === null ? {} : { ObjectSizeGreaterThan: rule.bytesAbove }),
    ...(rule.bytesBelow === null ? {} : { ObjectSizeLessThan: rule.bytesBelow }),
  };
  const simple = tags.length === 0 && Object.keys(sizes).length === 0;
  const expiration = {
    ...(rule.expiration?.days == null ? {} : { Days: rule.expiration.days }),
    ...(rule.expiration?.date == null ? {} : { Date: new Date(rule.expiration.date) }),
    ...(rule.expiredDeleteMarkers ? { ExpiredObjectDeleteMarker: true } : {}),
  };
  return {
    ID: rule.id,
    Status: rule.enabled ? 'Enabled' : 'Disabled',
    Filter: simple
      ? { Prefix: rule.prefix }
      : { And: { Prefix: rule.prefix, ...(tags.length > 0 && { Tags: tags }), ...sizes } },
    ...(rule.transitions.length > 0 && {
      Transitions: rule.transitions.map(({ days, date, storageClass }) => ({
        ...(days === null ? {} : { Days: days }),
        ...(date === null ? {} : { Date: new Date(date) }),
        StorageClass: storageClass as 'GLACIER',
      })),
    }),
    ...(Object.keys(expiration).length > 0 && { Expiration: expiration }),
    ...(rule.noncurrentTransitions.length > 0 && {
      NoncurrentVersionTransitions: rule.noncurrentTransitions.map(({ days, storageClass }) => ({
        NoncurrentDays: days,
        StorageClass: storageClass as 'GLACIER',
      })),
    }),
    ...(rule.noncurrentExpirationDays !== null && {
      NoncurrentVersionExpiration: { NoncurrentDays: rule.noncurrentExpirationDays },
    }),
    ...(rule.abortUploadsAfterDays !== null && {
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: rule.abortUploadsAfterDays },
    }),
  };
}
