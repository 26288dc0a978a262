import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Answer } from './exchanges.ts';

/**
 * Answers as the emulator of Google Cloud Storage did when they were recorded (`recorded.json`), with names, sizes and
 * contents filled in: for machines without Go, where the emulator cannot be built. What it holds is what was sent.
 */

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded.json'), 'utf8')) as Readonly<
  Record<string, Answer>
>;

export interface StoredObject {
  readonly content: Buffer;
  readonly storageClass: string;
}

export interface RecordedServer {
  readonly endpoint: string;
  /** By bucket, then by name. */
  readonly buckets: ReadonlyMap<string, ReadonlyMap<string, StoredObject>>;
  stop(): Promise<void>;
}

interface Reply {
  readonly name: string;
  /** In place of what was recorded. */
  readonly body?: string | Buffer;
  readonly range?: string;
}

type Objects = Map<string, StoredObject>;

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64');

/** A recorded answer in JSON with some of its values changed. */
function filled(name: string, values: object): Reply {
  return { name, body: JSON.stringify({ ...(JSON.parse(recorded[name]!.body) as object), ...values }) };
}

interface Resource {
  readonly name: string;
  readonly md5Hash: string;
  readonly storageClass?: string;
}

/** The two parts of a multipart/related body (JSON API, "Uploading an object", multipart). */
function parseUpload(body: Buffer, type: string): { resource: Resource; content: Buffer } {
  const boundary = /boundary=([^;]+)/.exec(type)?.[1] ?? '';
  const headEnd = body.indexOf('\r\n\r\n') + 4;
  const metaEnd = body.indexOf(`\r\n--${boundary}\r\n`, headEnd);
  const contentStart = body.indexOf('\r\n\r\n', metaEnd + 2) + 4;
  const contentEnd = body.lastIndexOf(`\r\n--${boundary}--`);
  return {
    resource: JSON.parse(body.toString('utf8', headEnd, metaEnd)) as Resource,
    content: body.subarray(contentStart, contentEnd),
  };
}

function upload(objects: Objects | undefined, body: Buffer, type: string): Reply {
  if (!objects) return { name: 'upload-no-bucket' };
  const { resource, content } = parseUpload(body, type);
  const { name, md5Hash, storageClass = 'STANDARD' } = resource;
  if (md5Hash !== md5Of(content)) return { name: 'upload-damaged' };
  objects.set(name, { content, storageClass });
  return filled('upload-done', { name, md5Hash, size: String(content.length), storageClass });
}

function read(stored: StoredObject | undefined, range: string | undefined): Reply {
  if (!stored) return { name: 'content-absent' };
  const { content } = stored;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (from === undefined) return { name: 'whole', body: content };
  const start = Number(from);
  const end = Math.min(Number(to) + 1, content.length);
  if (start >= content.length) return { name: 'beyond-end', range: `bytes */${content.length}` };
  return {
    name: 'part',
    body: content.subarray(start, end),
    range: `bytes ${start}-${end - 1}/${content.length}`,
  };
}

function list(objects: Objects | undefined, query: URLSearchParams): Reply {
  if (!objects) return { name: 'list-no-bucket' };
  const prefix = query.get('prefix') ?? '';
  const after = query.get('pageToken') ?? '';
  const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
  const page = names.slice(0, Number(query.get('maxResults')));
  if (page.length === 0) return { name: 'list-empty' };
  const name = page.length < names.length ? 'list-page' : 'list-last';
  const { items } = JSON.parse(recorded[name]!.body) as { items: readonly object[] };
  const filledIn = page.map((key) => ({
    ...items[0],
    name: key,
    size: String(objects.get(key)!.content.length),
  }));
  return filled(name, { items: filledIn, ...(name === 'list-page' && { nextPageToken: page.at(-1) }) });
}

export async function startRecorded(): Promise<RecordedServer> {
  const buckets = new Map<string, Objects>();

  function replyTo({ method = '', url = '', headers }: IncomingMessage, body: Buffer): Reply | null {
    const { pathname, searchParams } = new URL(url, 'http://recorded');
    const [, isUpload, bucket, isObjects, key] =
      /^(\/upload)?\/storage\/v1\/b(?:\/([^/]+)(?:(\/o)(?:\/([^/]+))?)?)?$/.exec(pathname) ?? [];
    if (method === 'POST' && bucket === undefined) {
      const { name } = JSON.parse(body.toString()) as { name: string };
      buckets.set(name, new Map());
      return filled('bucket-made', { name });
    }
    const objects = buckets.get(bucket ?? '');
    if (method === 'POST' && isUpload) return upload(objects, body, headers['content-type'] ?? '');
    if (method === 'GET' && !isObjects) return { name: objects ? 'bucket-there' : 'bucket-absent' };
    if (key === undefined) return method === 'GET' ? list(objects, searchParams) : null;
    const name = decodeURIComponent(key);
    const stored = objects?.get(name);
    if (method === 'DELETE') return { name: objects?.delete(name) ? 'removed' : 'remove-absent' };
    if (searchParams.get('alt') === 'media') return read(stored, headers.range);
    return stored ? filled('facts', { name, size: String(stored.content.length) }) : { name: 'facts-absent' };
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const reply = replyTo(incoming, await buffer(incoming));
    const known = reply && recorded[reply.name];
    if (!known) {
      outgoing.writeHead(501).end('nothing of this kind was recorded');
      return;
    }
    const body = Buffer.from(reply.body ?? known.body);
    const range = reply.range ?? known.range;
    outgoing.writeHead(known.status, {
      'content-type': known.type,
      'content-length': body.length,
      ...(range !== undefined && { 'content-range': range }),
    });
    outgoing.end(body);
  }

  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    buckets,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
