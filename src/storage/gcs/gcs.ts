import { createHash, randomUUID } from 'node:crypto';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import { classFor } from '../class-rule.ts';
import { type HttpAnswer, type HttpRequest, httpClient } from '../http.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { ByteRange, ContentFacts, Storage } from '../storage.ts';
import { gcsAuthorization } from './credentials.ts';
import { gcsFailure } from './errors.ts';
import { type GcsSettings, isForContent } from './settings.ts';

const objectBytesMax = 2 * 1024 ** 3;
const answerBytesMax = 64 * 1024 ** 2;
/** As many as the server puts on one page at most. */
const listed = 1000;

/**
 * A bucket of Google Cloud Storage, or what is below a prefix of it, by the JSON API. A save is one request, which
 * becomes visible as a whole; its MD5 goes along and is checked there.
 */
export function gcsStorage(settings: GcsSettings): Storage & { close(): void } {
  const { bucket, prefix, location, endpoint } = settings;
  const root = prefix === '' ? '' : `${prefix}/`;
  const client = httpClient(endpoint.startsWith('https:'), settings, gcsAuthorization(settings));
  const bucketPath = `/storage/v1/b/${encodeURIComponent(bucket)}`;

  function objectPath(key: string): string {
    checkKey(key);
    return `${bucketPath}/o/${encodeURIComponent(root + key)}`;
  }

  async function send(
    operation: string,
    method: HttpRequest['method'],
    path: string,
    query: Readonly<Record<string, string>> = {},
    more: Partial<HttpRequest> = {},
  ): Promise<HttpAnswer> {
    settings.onRequest?.(operation);
    const url = new URL(endpoint + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return client.send({ method, url, bodyBytesMax: answerBytesMax, ...more });
  }

  const failure = (action: string, answer: HttpAnswer): LifeboatError => gcsFailure(action, location, answer);

  function parsed<T>(action: string, answer: HttpAnswer): T {
    if (answer.status !== 200) throw failure(action, answer);
    try {
      return JSON.parse(answer.body.toString()) as T;
    } catch (error) {
      throw new LifeboatError('storage-failed', `cannot ${action} at ${location}: the answer is no JSON`, {
        cause: error,
      });
    }
  }

  async function save(
    key: string,
    parts: readonly Uint8Array[],
    { holdsTrees = false, isFirst = false }: ContentFacts = {},
  ): Promise<void> {
    checkKey(key);
    const hash = createHash('md5');
    for (const part of parts) hash.update(part);
    const md5Hash = hash.digest('base64');
    const storageClass = classFor(key, holdsTrees, settings.storageClass, isForContent);
    const contentType = 'application/octet-stream';
    const boundary = `lifeboat-${randomUUID()}`;
    const resource = { name: root + key, contentType, md5Hash, ...(storageClass && { storageClass }) };
    const before = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(resource)}\r\n--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`;
    const action = `write ${key}`;
    const answer = await send(
      'objects.insert',
      'POST',
      `/upload${bucketPath}/o`,
      { uploadType: 'multipart', fields: 'md5Hash', ...(isFirst && { ifGenerationMatch: '0' }) },
      {
        headers: { 'content-type': `multipart/related; boundary=${boundary}` },
        parts: [Buffer.from(before), ...parts, Buffer.from(`\r\n--${boundary}--`)],
      },
    );
    // There is no other thing that an upload could miss.
    if (answer.status === 404)
      throw new LifeboatError(
        'storage-bucket-missing',
        `cannot ${action} at ${location}: there is no such bucket`,
      );
    const stored = parsed<{ md5Hash?: string }>(action, answer).md5Hash;
    if (stored !== undefined && stored !== md5Hash)
      throw new LifeboatError('storage-failed', `cannot ${action} at ${location}: it arrived damaged`);
  }

  async function load(key: string, range?: ByteRange): Promise<Buffer> {
    const path = objectPath(key);
    if (range?.length === 0) return Buffer.alloc(0);
    const { offset = 0, length = 0 } = range ?? {};
    const headers = range ? { headers: { range: `bytes=${offset}-${offset + length - 1}` } } : {};
    const answer = await send(
      'objects.get',
      'GET',
      path,
      { alt: 'media' },
      { bodyBytesMax: objectBytesMax, ...headers },
    );
    // Where the object ends before the range begins.
    if (range && answer.status === 416) return Buffer.alloc(0);
    if (range && answer.status === 206) return answer.body;
    if (answer.status !== 200) throw failure(`read ${key}`, answer);
    // A server that does not know ranges sends the whole object.
    return range ? answer.body.subarray(offset, offset + length) : answer.body;
  }

  async function size(key: string): Promise<number | null> {
    const answer = await send('objects.get', 'GET', objectPath(key), { fields: 'size' });
    if (answer.status === 404) return null;
    return sizeOf(parsed<{ size?: unknown }>(`look for ${key}`, answer));
  }

  function sizeOf({ size: given }: { readonly size?: unknown }): number {
    const bytes = Number(given ?? Number.NaN);
    if (Number.isSafeInteger(bytes)) return bytes;
    throw new LifeboatError('storage-failed', `${location} does not say how large an object is`);
  }

  async function list(prefixOfKeys: string): Promise<{ key: string; size: number }[]> {
    checkPrefix(prefixOfKeys);
    const found: { key: string; size: number }[] = [];
    const action = `list ${prefixOfKeys}`;
    let pageToken: string | undefined;
    do {
      const answer = await send('objects.list', 'GET', `${bucketPath}/o`, {
        prefix: root + prefixOfKeys,
        fields: 'items(name,size),nextPageToken',
        maxResults: String(listed),
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      if (answer.status === 404)
        throw new LifeboatError(
          'storage-bucket-missing',
          `cannot ${action} at ${location}: there is no such bucket`,
        );
      const page = parsed<{ items?: { name: string; size?: unknown }[]; nextPageToken?: string }>(
        action,
        answer,
      );
      for (const item of page.items ?? []) {
        // Consoles make objects that stand for folders.
        if (!item.name.endsWith('/')) found.push({ key: item.name.slice(root.length), size: sizeOf(item) });
      }
      pageToken = page.nextPageToken || undefined;
    } while (pageToken !== undefined);
    return found;
  }

  async function create(): Promise<void> {
    const action = 'create the bucket';
    const asked = await send('buckets.get', 'GET', bucketPath, { fields: 'name' });
    // Who may not look at the bucket may be allowed to write into it all the same, and is told when it is not.
    if (asked.status === 200 || hasCode(failure(action, asked), 'storage-denied')) return;
    if (asked.status !== 404) throw failure(action, asked);
    if (settings.project === null)
      throw new LifeboatError(
        'storage-bucket-missing',
        `cannot ${action} at ${location}: it is not known in which project`,
        { hint: 'set GOOGLE_PROJECT_ID, or make the bucket by other means' },
      );
    const answer = await send(
      'buckets.insert',
      'POST',
      '/storage/v1/b',
      { project: settings.project, fields: 'name' },
      {
        headers: { 'content-type': 'application/json' },
        parts: [Buffer.from(JSON.stringify({ name: bucket, location: settings.region }))],
      },
    );
    // Another process was faster, or the name belongs to somebody else, which the first save is told.
    if (answer.status !== 200 && answer.status !== 409) throw failure(action, answer);
  }

  async function remove(key: string): Promise<void> {
    const answer = await send('objects.delete', 'DELETE', objectPath(key));
    if (answer.status < 200 || answer.status > 299) throw failure(`delete ${key}`, answer);
  }

  return {
    location,
    connections: settings.connections,
    create,
    save,
    load,
    size,
    list,
    remove,
    localPath(key) {
      checkKey(key);
      return null;
    },
    close: () => client.close(),
  };
}
