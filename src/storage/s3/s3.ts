import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type {
  GetObjectCommandInput,
  PutObjectCommandInput,
  ServerSideEncryption,
  StorageClass,
} from '@aws-sdk/client-s3';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Retention } from '../../model/retention.ts';
import { joined, pacedBody, readBody } from '../body.ts';
import { checkKey } from '../key.ts';
import type { ContentFacts, Storage } from '../storage.ts';
import { s3Archive } from './archive.ts';
import { s3Bucket } from './bucket.ts';
import { connectS3, noteHash } from './client.ts';
import { lacksObjectLock, objectLockMissing, s3CodeOf, s3Failure, statusOf } from './errors.ts';
import { listObjects } from './list.ts';
import { abortUploads, listUnfinishedUploads, uploadInParts } from './multipart.ts';
import { retentionFor, type S3Settings, storageClassFor } from './settings.ts';
import { lockModeOf, s3Vault } from './vault.ts';

/**
 * A bucket, or what is below a prefix of it, on any server that speaks S3. A save is one PUT (or one multipart
 * upload), which S3 makes visible as a whole; its SHA-256 goes along and is checked there.
 */
export function s3Storage(settings: S3Settings): Storage {
  const { bucket: Bucket, prefix, location, encryption } = settings;
  const connection = connectS3(settings);
  connection.prepare();
  const root = prefix === '' ? '' : `${prefix}/`;
  const payer = settings.requesterPays ? ({ RequestPayer: 'requester' } as const) : {};
  const customerKey = encryption.kind === 'customer' ? customerKeyOf(encryption.key) : {};

  const keyOf = (key: string): { Bucket: string; Key: string } => {
    checkKey(key);
    return { Bucket, Key: root + key };
  };

  /** Gives failures their meaning. `action` is for messages, such as `read data/ab/…`. */
  async function doing<T>(action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Failure(action, location, error);
    }
  }

  function encryptionOfNew(): Partial<PutObjectCommandInput> {
    const by = (ServerSideEncryption: ServerSideEncryption) => ({ ServerSideEncryption });
    if (encryption.kind === 's3') return by('AES256');
    if (encryption.kind !== 'kms') return customerKey;
    return { ...by('aws:kms'), ...(encryption.key === null ? {} : { SSEKMSKeyId: encryption.key }) };
  }

  function propertiesOfNew(
    key: string,
    { holdsTrees = false }: ContentFacts,
    retention: Retention | null,
  ): Partial<PutObjectCommandInput> {
    const storageClass = storageClassFor(key, holdsTrees, settings.storageClass);
    return {
      ContentType: 'application/octet-stream',
      ...(storageClass === null ? {} : { StorageClass: storageClass as StorageClass }),
      ...encryptionOfNew(),
      ...(retention && {
        ObjectLockMode: lockModeOf(retention.mode),
        ObjectLockRetainUntilDate: new Date(retention.untilMs),
      }),
      ...payer,
    };
  }

  /** As `doing`. A bucket without Object Lock refuses what brings a retention. */
  async function writing(key: string, retention: Retention | null, work: () => Promise<void>): Promise<void> {
    await doing(`write ${key}`, async () => {
      try {
        await work();
      } catch (error) {
        throw retention && lacksObjectLock(error)
          ? objectLockMissing(`write ${key}`, location, error)
          : error;
      }
    });
  }

  async function save(key: string, parts: readonly Uint8Array[], facts: ContentFacts = {}): Promise<void> {
    const place = keyOf(key);
    const body = joined(parts);
    const retention = facts.retention ?? retentionFor(key, settings.retention, Date.now());
    const properties = propertiesOfNew(key, facts, retention);
    await writing(key, retention, async () => {
      if (body.length > settings.multipartFromBytes) {
        await uploadInParts(
          {
            connection,
            start: { ...place, ...properties },
            perPart: { ...payer, ...customerKey },
            pacer: settings.upload,
          },
          body,
        );
        // Some servers, such as Ceph's, forget the retention of what comes in parts.
        if (retention) await vault.extend(key, retention);
        return;
      }
      const hash = facts.sha256 ?? createHash('sha256').update(body).digest('hex');
      const Body = settings.upload ? pacedBody(body, settings.upload) : body;
      noteHash(Body, hash);
      const condition = facts.isFirst ? { IfNoneMatch: '*' } : {};
      const content = {
        Body,
        ContentLength: body.length,
        ChecksumSHA256: Buffer.from(hash, 'hex').toString('base64'),
      };
      await connection.send((client, sdk) =>
        client.send(new sdk.PutObjectCommand({ ...place, ...properties, ...content, ...condition })),
      );
    });
  }

  async function get(input: GetObjectCommandInput): Promise<Buffer> {
    const { Body, ContentLength } = await connection.send((client, sdk) =>
      client.send(new sdk.GetObjectCommand({ ...input, ...payer, ...customerKey })),
    );
    if (!Body || ContentLength === undefined)
      throw new LifeboatError('storage-failed', `${location} answered without saying how much it sends`);
    return readBody(Body as Readable, ContentLength, settings.download);
  }

  async function load(
    key: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    const place = keyOf(key);
    if (range?.length === 0) return Buffer.alloc(0);
    return doing(`read ${key}`, async () => {
      if (!range) return get(place);
      try {
        const { offset, length } = range;
        const bytes = await get({ ...place, Range: `bytes=${offset}-${offset + length - 1}` });
        // A server that does not know ranges sends the whole object.
        return bytes.length <= length ? bytes : bytes.subarray(offset, offset + length);
      } catch (error) {
        // Where the object ends before the range begins.
        if (s3CodeOf(error) === 'InvalidRange' || statusOf(error) === 416) return Buffer.alloc(0);
        throw error;
      }
    });
  }

  async function size(key: string): Promise<number | null> {
    const place = keyOf(key);
    return doing(`look for ${key}`, async () => {
      try {
        const head = await connection.send((client, sdk) =>
          client.send(new sdk.HeadObjectCommand({ ...place, ...payer, ...customerKey })),
        );
        return head.ContentLength ?? 0;
      } catch (error) {
        if (statusOf(error) === 404) return null;
        // The answer to HEAD has no body, so no word of what is wrong.
        if (statusOf(error) >= 400 && statusOf(error) < 500) await get({ ...place, Range: 'bytes=0-0' });
        throw error;
      }
    });
  }

  const requests = { connection, root, keyOf, doing, payer, customerKey, get };
  const vault = s3Vault(settings, requests);

  const list = (prefixOfKeys: string): Promise<{ key: string; size: number }[]> =>
    listObjects(requests, Bucket, prefixOfKeys, (key, { Size = 0 }) => ({ key, size: Size }));

  async function create(): Promise<void> {
    await doing('create the bucket', async () => {
      try {
        await connection.send((client, sdk) =>
          client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: root, MaxKeys: 1, ...payer })),
        );
      } catch (error) {
        const failure = s3Failure('list the bucket', location, error);
        // Who may not list may be allowed to write all the same, and is told when it is not.
        if (hasCode(failure, 'storage-denied')) return;
        if (!hasCode(failure, 'storage-bucket-missing')) throw error;
        await connection.send(async (client, sdk) => {
          const region = await client.config.region();
          const elsewhere = settings.isAws && region !== 'us-east-1';
          const configuration = elsewhere
            ? { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } }
            : {};
          const lock = settings.retention ? { ObjectLockEnabledForBucket: true } : {};
          return client.send(new sdk.CreateBucketCommand({ Bucket, ...configuration, ...lock }));
        });
      }
    });
  }

  return {
    location,
    connections: settings.connections,
    create,
    save,
    load,
    size,
    list,
    async remove(key) {
      const place = keyOf(key);
      await doing(`delete ${key}`, () =>
        connection.send((client, sdk) => client.send(new sdk.DeleteObjectCommand({ ...place, ...payer }))),
      );
    },
    tellsAbsentRemovals: false,
    vault,
    sweep: (olderThanMs) =>
      doing('look for unfinished uploads', async () => {
        const before = Date.now() - olderThanMs;
        const unfinished = await listUnfinishedUploads(connection, Bucket, root);
        return abortUploads(
          connection,
          Bucket,
          unfinished.filter(({ startedMs }) => startedMs <= before),
        );
      }),
    bucket: s3Bucket(settings, requests),
    archive: s3Archive(settings, requests),
    localPath(key) {
      checkKey(key);
      return null;
    },
  };
}

/** Headers of SSE-C (S3 User Guide "Using server-side encryption with customer-provided keys"). */
function customerKeyOf(key: Uint8Array) {
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: Buffer.from(key).toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  };
}
