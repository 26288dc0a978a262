import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bytesOfText } from '../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { makeFolders } from '../../core/folders.ts';
import { withAppendOnly } from '../../storage/layers/append-only.ts';
import { localStorage } from '../../storage/local/local.ts';
import type { Storage } from '../../storage/storage.ts';
import { htpasswdUsers, type Users } from './htpasswd.ts';
import { answer, statusOf } from './objects.ts';
import { noQuota, quotaOf } from './quota.ts';
import { isSafeFolder, routeOf } from './route.ts';
import { RequestRefused, uploads } from './uploads.ts';

/** A server of restic's REST protocol over folders of this machine. */

export interface RestServerOptions {
  /** null: all addresses of this machine. */
  readonly host: string | null;
  /** 0: any that is free. */
  readonly port: number;
  /** Repositories are folders below it, or it is one itself. */
  readonly folder: string;
  /** null: everybody is let in. */
  readonly htpasswdFile: string | null;
  readonly appendOnly: boolean;
  /** Each user has the folder of his name, and no other. */
  readonly privateRepositories: boolean;
  /** Files in PEM. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** Of all repositories together; null: as the disk has. */
  readonly bytesMax: number | null;
  readonly onAccess?: (access: Access) => void;
  readonly onProblem: (message: string) => void;
}

export interface Access {
  readonly remote: string;
  readonly user: string | null;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface RestServer {
  readonly url: string;
  /** Takes no more requests, lets those under way end for a while, and resolves when it is through. */
  stop(): Promise<void>;
}

const headersTimeoutMs = 30_000;
const idleTimeoutMs = 120_000;
const stopTimeoutMs = 30_000;
const connectionsMax = 1_024;
const storagesMax = 1_000;

/** @throws LifeboatError `usage` for settings that cannot be obeyed, `storage-denied` for a folder that cannot be made. */
export async function startRestServer(options: RestServerOptions): Promise<RestServer> {
  const { folder, htpasswdFile, bytesMax } = options;
  try {
    makeFolders(bytesOfText(folder), 0o700);
  } catch (error) {
    throw new LifeboatError('storage-denied', `cannot use ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const users = htpasswdFile === null ? null : htpasswdUsers(htpasswdFile, options.onProblem);
  const shared = {
    users,
    quota: bytesMax === null ? noQuota : await quotaOf(folder, bytesMax),
    uploads: uploads(),
    storageOf: repositoriesBelow(folder, options.appendOnly),
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // Every failure is answered and told inside.
    void exchange(request, response, options, shared);
  };
  const settings = { headersTimeout: headersTimeoutMs, requestTimeout: 0, keepAliveTimeout: idleTimeoutMs };
  const server: Server = options.tls
    ? createTlsServer({ ...settings, ...tlsFiles(options.tls), minVersion: 'TLSv1.2' }, listener)
    : createServer(settings, listener);
  server.maxConnections = connectionsMax;
  // However long an upload takes, it has to move.
  server.setTimeout(idleTimeoutMs);
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `${options.tls ? 'https' : 'http'}://${host}:${port}/`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), stopTimeoutMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function listen(server: Server, { host, port }: RestServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const why = errnoOf(error) === 'EADDRINUSE' ? 'another process uses it' : messageOf(error);
      reject(new LifeboatError('usage', `cannot listen on ${host ?? ''}:${port}: ${why}`, { cause: error }));
    });
    server.listen({ port, ...(host !== null && { host }) }, resolve);
  });
}

function tlsFiles({ certificate, key }: { certificate: string; key: string }): { cert: Buffer; key: Buffer } {
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new LifeboatError('usage', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
    }
  };
  return { cert: read(certificate), key: read(key) };
}

/** Storages are kept, as each knows which folders it is making. */
function repositoriesBelow(folder: string, appendOnly: boolean): (repository: readonly string[]) => Storage {
  const storages = new Map<string, Storage>();
  return (repository) => {
    const path = join(folder, ...repository);
    const known = storages.get(path);
    if (known) return known;
    const local = localStorage(path);
    const storage = appendOnly ? withAppendOnly(local) : local;
    if (storages.size >= storagesMax) storages.delete(storages.keys().next().value!);
    storages.set(path, storage);
    return storage;
  };
}

interface Shared {
  readonly users: Users | null;
  readonly quota: Awaited<ReturnType<typeof quotaOf>>;
  readonly uploads: ReturnType<typeof uploads>;
  readonly storageOf: (repository: readonly string[]) => Storage;
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  options: RestServerOptions,
  shared: Shared,
): Promise<void> {
  const startedMs = performance.now();
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  let user: string | null = null;
  response.on('close', () => {
    const sent = Number(response.getHeader('content-length') ?? 0);
    const received = Number(request.headers['content-length'] ?? 0);
    options.onAccess?.({
      remote: request.socket.remoteAddress ?? '',
      user,
      method: request.method ?? '',
      path: printable(path),
      status: response.statusCode,
      bytes: request.method === 'POST' ? received : sent,
      ms: performance.now() - startedMs,
    });
  });
  try {
    if (shared.users) {
      user = await shared.users.userOf(request.headers.authorization);
      if (user === null) {
        response.setHeader('www-authenticate', 'Basic realm="lifeboat", charset="UTF-8"');
        throw new RequestRefused(401, 'user and password are needed');
      }
    }
    const route = routeOf(path);
    if (!route) throw new RequestRefused(404, 'there is nothing here');
    if (options.privateRepositories) {
      if (user === null || !isSafeFolder(user) || route.repository[0] !== user)
        throw new RequestRefused(403, 'this is not yours');
    }
    const storage = shared.storageOf(route.repository);
    const { quota } = shared;
    await answer(route, {
      request,
      response,
      storage,
      quota,
      uploads: shared.uploads,
      query: new URLSearchParams(query),
    });
  } catch (error) {
    fail(error, request, response, options);
  }
}

function fail(
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  { onProblem }: RestServerOptions,
): void {
  // The other side went away: nobody is left to be told.
  if (request.destroyed && !request.complete) {
    response.destroy();
    return;
  }
  if (response.headersSent) {
    onProblem(`an answer broke off: ${messageOf(error)}`);
    response.destroy();
    return;
  }
  const { status, text } = statusOf(error, response);
  if (status >= 500 && !(error instanceof RequestRefused)) onProblem(messageOf(error));
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** Of a path for a log: nothing that moves a cursor, and not without end. */
function printable(path: string): string {
  return path.slice(0, 512).replace(/[^\x21-\x7e]/g, '?');
}
