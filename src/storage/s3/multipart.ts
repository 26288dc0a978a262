import { createHash } from 'node:crypto';
import type { CreateMultipartUploadCommandInput, UploadPartCommandInput } from '@aws-sdk/client-s3';
import { runBounded } from '../../core/run-bounded.ts';
import { pacedBody } from '../body.ts';
import type { Pacer } from '../pacer.ts';
import { noteHash, type S3Connection } from './client.ts';

/** Objects in parts (S3 API "Multipart upload"): nothing is visible before they are complete. */

/** S3 wants at least 5 MiB of each part but the last, and no more than 10,000 parts. */
const partBytesMin = 16 * 1024 * 1024;
const partsMax = 10_000;
const partsAtOnce = 3;

export interface Upload {
  readonly connection: S3Connection;
  readonly start: CreateMultipartUploadCommandInput;
  /** What each part has to say besides its content. */
  readonly perPart: Pick<
    UploadPartCommandInput,
    'RequestPayer' | 'SSECustomerAlgorithm' | 'SSECustomerKey' | 'SSECustomerKeyMD5'
  >;
  readonly pacer: Pacer | null;
}

/** Stores a body in parts; where one fails, what was sent so far is given up and the failure thrown. */
export async function uploadInParts(
  { connection, start, perPart, pacer }: Upload,
  body: Buffer,
): Promise<void> {
  const { Bucket, Key, ObjectLockMode } = start;
  const locked = ObjectLockMode !== undefined;
  const created = await connection.send((client, sdk) =>
    client.send(new sdk.CreateMultipartUploadCommand(start)),
  );
  const same = { Bucket, Key, UploadId: created.UploadId };
  const partBytes = Math.max(partBytesMin, Math.ceil(body.length / partsMax));
  const etags: (string | undefined)[] = new Array(Math.ceil(body.length / partBytes));

  async function uploadPart(part: number): Promise<void> {
    const content = body.subarray(part * partBytes, (part + 1) * partBytes);
    const Body = pacer ? pacedBody(content, pacer) : content;
    noteHash(Body, createHash('sha256').update(content).digest('hex'));
    const { ETag } = await connection.send((client, sdk) =>
      client.send(
        new sdk.UploadPartCommand({
          ...same,
          ...perPart,
          PartNumber: part + 1,
          Body,
          ContentLength: content.length,
          // Where a retention goes along, S3 wants it.
          ...(locked ? { ContentMD5: createHash('md5').update(content).digest('base64') } : {}),
        }),
      ),
    );
    etags[part] = ETag;
  }

  let next = 0;
  try {
    await runBounded(partsAtOnce, () => (next < etags.length ? uploadPart(next++) : null));
    const Parts = etags.map((ETag, part) => ({ ETag, PartNumber: part + 1 }));
    await connection.send((client, sdk) =>
      client.send(
        new sdk.CompleteMultipartUploadCommand({ ...same, ...perPart, MultipartUpload: { Parts } }),
      ),
    );
  } catch (error) {
    await connection
      .send((client, sdk) =>
        client.send(new sdk.AbortMultipartUploadCommand({ ...same, RequestPayer: perPart.RequestPayer })),
      )
      .catch(() => undefined); // the first failure is the one to report; `sweep` finds what is left
    throw error;
  }
}

export interface UnfinishedUpload {
  /** As in the bucket, prefix included. */
  readonly key: string;
  readonly uploadId: string;
  readonly startedMs: number;
}

/** Uploads below a prefix that were neither completed nor given up. */
export async function listUnfinishedUploads(
  connection: S3Connection,
  bucket: string,
  prefix: string,
): Promise<UnfinishedUpload[]> {
  const found: UnfinishedUpload[] = [];
  let KeyMarker: string | undefined;
  let UploadIdMarker: string | undefined;
  do {
    const page = await connection.send((client, sdk) =>
      client.send(
        new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, KeyMarker, UploadIdMarker }),
      ),
    );
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key && UploadId) found.push({ key: Key, uploadId: UploadId, startedMs: Initiated?.getTime() ?? 0 });
    }
    KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
    UploadIdMarker = page.IsTruncated ? page.NextUploadIdMarker : undefined;
  } while (KeyMarker !== undefined || UploadIdMarker !== undefined);
  return found;
}

/** Gives up uploads that began before a time. Returns how many; one that another process ended meanwhile counts. */
export async function abortUploads(
  connection: S3Connection,
  bucket: string,
  uploads: readonly UnfinishedUpload[],
): Promise<number> {
  for (const { key, uploadId } of uploads) {
    await connection.send((client, sdk) =>
      client
        .send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }))
        .catch((error: unknown) => {
          if ((error as { name?: unknown }).name !== 'NoSuchUpload') throw error;
        }),
    );
  }
  return uploads.length;
}
