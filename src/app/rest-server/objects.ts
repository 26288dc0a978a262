import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { errnoOf, hasCode } from '../../core/errors.ts';
import {
  extensionHeader,
  extensionValue,
  mediaTypeV1,
  mediaTypeV2,
  type Refusal,
  refusalHeader,
} from '../../storage/rest/protocol.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Quota } from './quota.ts';
import type { Route } from './route.ts';
import { RequestRefused, type Uploads } from './uploads.ts';

/** Answers requests about one repository. */

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly storage: Storage;
  readonly query: URLSearchParams;
  readonly quota: Quota;
  readonly uploads: Uploads;
}

/** @throws RequestRefused and what the storage throws. */
export async function answer(route: Route, exchange: Exchange): Promise<void> {
  const { method } = exchange.request;
  exchange.response.setHeader(extensionHeader, extensionValue);
  if (route.kind === 'repository') return answerRepository(exchange);
  if (route.kind === 'list' || route.kind === 'extension-list') {
    if (method !== 'GET' && method !== 'HEAD') throw notAllowed();
    return answerList(
      route.kind === 'list' ? `${route.type}/` : route.prefix,
      route.kind === 'list',
      exchange,
    );
  }
  const key = route.kind === 'config' ? 'config' : route.key;
  const sha256 = route.kind === 'object' ? route.name : null;
  if (method === 'GET' || method === 'HEAD') return answerContent(key, exchange);
  if (method === 'POST') return store(key, sha256, exchange);
  if (method === 'DELETE') return remove(key, exchange);
  throw notAllowed();
}

const notAllowed = (): RequestRefused => new RequestRefused(405, 'this is not done with a path like this');

function finish({ response }: Exchange, status = 200, body = ''): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(body === '' ? '' : `${body}\n`);
}

export function refuse(response: ServerResponse, why: Refusal): RequestRefused {
  response.setHeader(refusalHeader, why);
  return new RequestRefused(403, why === 'exists' ? 'it is there already' : 'only additions are taken');
}

async function answerRepository(exchange: Exchange): Promise<void> {
  const { request, query, storage } = exchange;
  if (request.method === 'DELETE') throw new RequestRefused(501, 'repositories are not deleted this way');
  if (request.method !== 'POST' || query.get('create') !== 'true') throw notAllowed();
  await storage.create();
  finish(exchange);
}

async function answerList(prefix: string, bareNames: boolean, exchange: Exchange): Promise<void> {
  const { request, response, storage } = exchange;
  const found = await storage.list(prefix);
  const named = found.map(({ key, size }) => ({
    // Folders of packs are the server's own matter.
    name: bareNames ? key.slice(key.lastIndexOf('/') + 1) : key.slice(prefix.length),
    size,
  }));
  const listed = bareNames ? named.filter(({ name }) => /^[0-9a-f]{64}$/.test(name)) : named;
  const isV2 = String(request.headers.accept ?? '').includes(mediaTypeV2);
  const body = JSON.stringify(isV2 ? listed : listed.map(({ name }) => name));
  response.writeHead(200, {
    'content-type': isV2 ? mediaTypeV2 : mediaTypeV1,
    'content-length': Buffer.byteLength(body),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

interface Span {
  readonly start: number;
  /** Included. */
  readonly end: number;
}

/** One range as clients ask for it (RFC 9110, section 14.2): null for the whole, 'none' beyond the end. */
export function spanOf(header: string | undefined, size: number): Span | 'none' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [, from = '', to = ''] = match;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start <= end ? { start, end } : start >= size ? 'none' : null;
}

async function answerContent(key: string, { request, response, storage }: Exchange): Promise<void> {
  const path = storage.localPath(key);
  const file = path === null ? null : await openFile(path);
  try {
    // Of the open file: another may take its place at any moment.
    const stat = await file?.stat();
    const size = stat ? (stat.isFile() ? stat.size : null) : await storage.size(key);
    if (size === null) throw new RequestRefused(404, 'there is no such object');
    const span = writeContentHead(request, response, size);
    if (!span) response.end();
    else if (file) await pipeline(file.createReadStream({ ...span, autoClose: false }), response);
    else response.end(await storage.load(key, { offset: span.start, length: span.end - span.start + 1 }));
  } finally {
    await file?.close();
  }
}

/** @throws RequestRefused where there is none. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR')
      throw new RequestRefused(404, 'there is no such object');
    throw error;
  }
}

/** Resolves to what is to follow, or null for nothing. */
function writeContentHead(request: IncomingMessage, response: ServerResponse, size: number): Span | null {
  const span = spanOf(request.headers.range, size);
  const type = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
  if (span === 'none') {
    response.writeHead(416, { ...type, 'content-range': `bytes */${size}` });
    return null;
  }
  const { start, end } = span ?? { start: 0, end: size - 1 };
  response.writeHead(span ? 206 : 200, {
    ...type,
    'content-length': end - start + 1,
    ...(span && { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  return request.method === 'HEAD' || size === 0 ? null : { start, end };
}

async function store(key: string, sha256: string | null, exchange: Exchange): Promise<void> {
  const { request, response, storage, quota } = exchange;
  if (key === 'config' && (await storage.size(key)) !== null) throw refuse(response, 'exists');
  const upload = await exchange.uploads.receive(request);
  try {
    if (sha256 !== null && upload.sha256 !== sha256)
      throw new RequestRefused(400, 'the name is not the SHA-256 of the content');
    if (!quota.reserve(upload.bytes)) throw new RequestRefused(507, 'the quota is used up');
    try {
      const before = (await storage.size(key)) ?? 0;
      await storage.save(key, upload.parts);
      quota.giveBack(before);
    } catch (error) {
      quota.giveBack(upload.bytes);
      throw error;
    }
  } finally {
    upload.release();
  }
  finish(exchange);
}

async function remove(key: string, exchange: Exchange): Promise<void> {
  const size = await exchange.storage.size(key);
  await exchange.storage.remove(key);
  exchange.quota.giveBack(size ?? 0);
  finish(exchange);
}

/** The status and text of a failure: nothing about the server's own paths. */
export function statusOf(error: unknown, response: ServerResponse): { status: number; text: string } {
  if (error instanceof RequestRefused) return { status: error.status, text: error.message };
  if (hasCode(error, 'storage-missing-file')) return { status: 404, text: 'there is no such object' };
  if (hasCode(error, 'storage-full')) return { status: 507, text: 'the disk of the server is full' };
  if (hasCode(error, 'storage-append-only')) {
    const refusal = refuse(response, 'append-only');
    return { status: refusal.status, text: refusal.message };
  }
  return { status: errnoOf(error) === 'ENOENT' ? 404 : 500, text: "the server's log says why" };
}
