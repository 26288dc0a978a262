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

export async function makeBucket(gateway: GatewayFacts, bucket: string): Promise<void> {
  await connectTo(gateway, bucket).create();
}
