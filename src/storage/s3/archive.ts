import type { Readable } from 'node:stream';
import { LifeboatError } from '../../core/errors.ts';
import { isArchiveClass, type ThawSpeed, type ThawState } from '../../model/storage-class.ts';
import type { Archive } from '../archive.ts';
import { withContentMd5 } from './bucket.ts';
import type { S3Connection } from './client.ts';
import { s3CodeOf } from './errors.ts';
import { listObjects } from './list.ts';
import type { S3Settings } from './settings.ts';
import type { S3Requests } from './vault.ts';

const speedNames = { expedited: 'Expedited', standard: 'Standard', bulk: 'Bulk' } as const satisfies Record<
  ThawSpeed,
  string
>;

export function s3Archive(settings: S3Settings, requests: S3Requests): Archive {
  const { bucket: Bucket, location } = settings;
  const { connection, keyOf, doing, payer, customerKey } = requests;

  /** Some servers have classes of these names whose objects can be read like others, as Ceph's; null: not known yet. */
  let archivedAreReadable: boolean | null = settings.isAws ? false : null;

  async function readsArchived(key: string): Promise<boolean> {
    if (archivedAreReadable !== null) return archivedAreReadable;
    try {
      const { Body } = await connection.send((client, sdk) =>
        client.send(
          new sdk.GetObjectCommand({ ...keyOf(key), ...payer, ...customerKey, Range: 'bytes=0-0' }),
        ),
      );
      (Body as Readable | undefined)?.resume();
      archivedAreReadable = true;
    } catch (error) {
      if (s3CodeOf(error) !== 'InvalidObjectState') throw error;
      archivedAreReadable = false;
    }
    return archivedAreReadable;
  }

  async function tagsOf(key: string): Promise<{ Key: string; Value: string }[]> {
    const { TagSet = [] } = await connection.send((client, sdk) =>
      client.send(new sdk.GetObjectTaggingCommand({ ...keyOf(key), ...payer })),
    );
    return TagSet.map(({ Key = '', Value = '' }) => ({ Key, Value }));
  }

  return {
    list: (prefix, max) =>
      listObjects(
        requests,
        Bucket,
        prefix,
        (key, { Size: size = 0, StorageClass: storageClass = 'STANDARD', LastModified }) => ({
          key,
          size,
          storageClass,
          modifiedMs: LastModified?.getTime() ?? 0,
        }),
        max,
      ),

    state: (key) =>
      doing(`look for ${key}`, async () => {
        const head = await connection.send((client, sdk) =>
          client.send(new sdk.HeadObjectCommand({ ...keyOf(key), ...payer, ...customerKey })),
        );
        const found = thawStateOf(head.StorageClass ?? 'STANDARD', head.Restore);
        return found.state === 'none' && (await readsArchived(key)) ? { ...found, state: 'readable' } : found;
      }),

    async request(key, { days, speed }) {
      await doing(`bring back ${key}`, async () => {
        try {
          const command = (sdk: Parameters<Parameters<S3Connection['send']>[0]>[1]) =>
            new sdk.RestoreObjectCommand({
              ...keyOf(key),
              ...payer,
              RestoreRequest: { Days: days, GlacierJobParameters: { Tier: speedNames[speed] } },
            });
          await connection.send((client, sdk) => client.send(withContentMd5(command(sdk))));
        } catch (error) {
          const code = s3CodeOf(error);
          // Somebody asked between the look and the request: it comes all the same.
          if (code === 'RestoreAlreadyInProgress') return;
          if (code === 'GlacierExpeditedRetrievalNotAvailable') {
            throw new LifeboatError(
              'thaw-incomplete',
              `cannot bring back ${key} at ${location}: it takes no expedited requests now`,
              { cause: error, hint: 'run the command again later, or with --speed standard' },
            );
          }
          throw error;
        }
      });
    },

    mark: (key, tag) =>
      doing(
        `read the tags of ${key}`,
        async () => (await tagsOf(key)).find(({ Key }) => Key === tag)?.Value ?? null,
      ),

    setMark: (key, tag, value) =>
      doing(`tag ${key}`, async () => {
        const others = (await tagsOf(key)).filter(({ Key }) => Key !== tag);
        const TagSet = value === null ? others : [...others, { Key: tag, Value: value }];
        await connection.send((client, sdk) =>
          client.send(
            withContentMd5(new sdk.PutObjectTaggingCommand({ ...keyOf(key), ...payer, Tagging: { TagSet } })),
          ),
        );
      }),
  };
}

/** What the headers x-amz-storage-class and x-amz-restore of an answer mean together. */
export function thawStateOf(storageClass: string, restore: string | undefined): ThawState {
  if (!isArchiveClass(storageClass)) return { storageClass, state: 'readable', untilMs: null };
  if (restore === undefined) return { storageClass, state: 'none', untilMs: null };
  if (/ongoing-request="true"/.test(restore)) return { storageClass, state: 'ongoing', untilMs: null };
  const until = Date.parse(/expiry-date="([^"]+)"/.exec(restore)?.[1] ?? '');
  return { storageClass, state: 'restored', untilMs: Number.isNaN(until) ? null : until };
}
