import type { _Object as ListedObject } from '@aws-sdk/client-s3';
import { checkPrefix } from '../key.ts';
import type { S3Requests } from './vault.ts';

/** Objects that one listing answers with at most (S3 API, ListObjectsV2). */
const pageMax = 1000;

/**
 * Lists what is below a prefix, page by page.
 *
 * @param read takes of an object what is wanted; objects that consoles make to stand for folders are left out.
 * @param max how many at most.
 * @throws LifeboatError as all requests.
 */
export async function listObjects<T>(
  { connection, root, doing, payer }: Pick<S3Requests, 'connection' | 'root' | 'doing' | 'payer'>,
  Bucket: string,
  prefix: string,
  read: (key: string, object: ListedObject) => T,
  max = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  checkPrefix(prefix);
  const found: T[] = [];
  await doing(`list ${prefix}`, async () => {
    let ContinuationToken: string | undefined;
    do {
      const left = max - found.length;
      const page = await connection.send((client, sdk) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket,
            Prefix: root + prefix,
            ...(left < pageMax ? { MaxKeys: left } : {}),
            ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
            ...payer,
          }),
        ),
      );
      for (const object of page.Contents ?? []) {
        const { Key = '' } = object;
        if (!Key.endsWith('/')) found.push(read(Key.slice(root.length), object));
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined && found.length < max);
  });
  return found;
}
