import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import { joined, pacedBody, readBody } from '../body.ts';
import { classFor } from '../class-rule.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { ByteRange, ContentFacts, Storage } from '../storage.ts';
import { uploadInBlocks } from './blocks.ts';
import { connectAzure, noteMd5 } from './client.ts';
import { azureCodeOf, azureFailure, statusOf } from './errors.ts';
import { type AzureSettings, isForContent } from './settings.ts';

/** As many as the server puts on one page at most. */
const listedMax = 5000;

/**
 * A container of Azure Blob Storage, or what is below a prefix of it. A save is one Put Blob (or blocks and their
 * list), which becomes visible as a whole; its MD5 goes along and is checked there.
 */
export function azureStorage(settings: AzureSettings): Storage {
  const { prefix, location } = settings;
  const connection = connectAzure(settings);
  connection.prepare();
  const root = prefix === '' ? '' : `${prefix}/`;

  /** Runs requests, and gives failures their meaning. `action` is for messages, such as `read data/ab/…`. */
  async function doing<T>(action: string, work: (container: ContainerClient) => Promise<T>): Promise<T> {
    try {
      return await work(await connection.container());
    } catch (error) {
      throw azureFailure(action, location, error);
    }
  }

  /** The same on one blob. */
  async function onBlob<T>(
    action: string,
    key: string,
    work: (blob: BlockBlobClient) => Promise<T>,
  ): Promise<T> {
    checkKey(key);
    return doing(`${action} ${key}`, (container) => work(container.getBlockBlobClient(root + key)));
  }

  async function save(
    key: string,
    parts: readonly Uint8Array[],
    { holdsTrees = false, isFirst = false }: ContentFacts = {},
  ): Promise<void> {
    const tier = classFor(key, holdsTrees, settings.tier, isForContent);
    await onBlob('write', key, async (blob) => {
      const body = joined(parts);
      const md5 = createHash('md5').update(body).digest();
      const options = {
        blobHTTPHeaders: { blobContentType: 'application/octet-stream', blobContentMD5: md5 },
        ...(tier && { tier }),
        ...(isFirst && { conditions: { ifNoneMatch: '*' } }),
      };
      if (body.length > settings.blocksFromBytes) {
        await uploadInBlocks(blob, body, settings.upload, options);
        return;
      }
      const { upload } = settings;
      const content = upload ? () => pacedBody(body, upload) : body;
      noteMd5(content, md5.toString('base64'));
      await blob.upload(content, body.length, options);
    });
  }

  async function load(key: string, range?: ByteRange): Promise<Buffer> {
    return onBlob('read', key, async (blob) => {
      if (range?.length === 0) return Buffer.alloc(0);
      const { offset = 0, length } = range ?? {};
      try {
        const answer = await blob.download(offset, length, { maxRetryRequests: 0 });
        const { readableStreamBody: body, contentLength } = answer;
        if (!body || contentLength === undefined)
          throw new LifeboatError('storage-failed', `${location} answered without saying how much it sends`);
        return await readBody(body as Readable, contentLength, settings.download);
      } catch (error) {
        // Where the blob ends before the range begins.
        if (range && (azureCodeOf(error) === 'InvalidRange' || statusOf(error) === 416))
          return Buffer.alloc(0);
        throw error;
      }
    });
  }

  async function size(key: string): Promise<number | null> {
    return onBlob('look for', key, async (blob) => {
      try {
        return (await blob.getProperties()).contentLength ?? 0;
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    });
  }

  async function list(prefixOfKeys: string): Promise<{ key: string; size: number }[]> {
    checkPrefix(prefixOfKeys);
    const found: { key: string; size: number }[] = [];
    await doing(`list ${prefixOfKeys}`, async (container) => {
      const pages = container
        .listBlobsFlat({ prefix: root + prefixOfKeys })
        .byPage({ maxPageSize: listedMax });
      for await (const { segment } of pages) {
        for (const { name, properties } of segment.blobItems) {
          // Consoles make blobs that stand for folders.
          if (!name.endsWith('/'))
            found.push({ key: name.slice(root.length), size: properties.contentLength ?? 0 });
        }
      }
    });
    return found;
  }

  async function create(): Promise<void> {
    await doing('create the container', async (container) => {
      try {
        await container.getProperties();
      } catch (error) {
        const failure = azureFailure('look at the container', location, error);
        // A signature for blobs only tells nothing of the container; the first save is told what it may.
        if (hasCode(failure, 'storage-denied')) return;
        if (!hasCode(failure, 'storage-bucket-missing')) throw error;
        // Another process may have been faster.
        await container.createIfNotExists();
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
    remove: (key) => onBlob('delete', key, async (blob) => void (await blob.delete())),
    localPath(key) {
      checkKey(key);
      return null;
    },
  };
}
