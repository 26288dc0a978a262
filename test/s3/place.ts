import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type HeadObjectOutput,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { parseS3Location } from '../../src/storage/s3/location.ts';
import { s3Storage } from '../../src/storage/s3/s3.ts';
import { type S3Settings, s3Defaults } from '../../src/storage/s3/settings.ts';
import type { Storage } from '../../src/storage/storage.ts';
import type { GatewayFacts } from './gateway.ts';

/** Settings for a bucket and prefix behind a gateway. */
export function settingsFor(
  { endpoint, accessKey, secretKey }: Omit<GatewayFacts, 'folder'>,
  path: string,
  more: Partial<S3Settings> = {},
): S3Settings {
  const location = `s3:${endpoint}/${path}`;
  return {
    ...parseS3Location(location),
    location,
    ...s3Defaults,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    userAgent: 'lifeboat/test',
    ...more,
  };
}

/** A storage without any layer around it. */
export function connectTo(
  gateway: Omit<GatewayFacts, 'folder'>,
  path: string,
  more: Partial<S3Settings> = {},
): Storage {
  return s3Storage(settingsFor(gateway, path, more));
}

/** What tests do that no storage does. */
export function rawClient({ endpoint, accessKey, secretKey }: GatewayFacts): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
}

export async function makeBucket(
  gateway: GatewayFacts,
  bucket: string,
  { objectLock = false } = {},
): Promise<void> {
  const client = rawClient(gateway);
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: objectLock }));
  client.destroy();
}

/** What the gateway says of an object. */
export async function headOf(gateway: GatewayFacts, bucket: string, key: string): Promise<HeadObjectOutput> {
  const client = rawClient(gateway);
  try {
    return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  } finally {
    client.destroy();
  }
}

/** What a process leaves behind that was killed in the middle of a save in parts. */
export async function unfinishedUpload(gateway: GatewayFacts, bucket: string, key: string): Promise<void> {
  const client = rawClient(gateway);
  const place = { Bucket: bucket, Key: key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  await client.send(
    new UploadPartCommand({ ...place, UploadId, PartNumber: 1, Body: Buffer.alloc(100_000) }),
  );
  client.destroy();
}
