import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * A fake of what only AWS has, in front of a real gateway: archived objects that cannot be read before RestoreObject
 * brought them back, and the status of replication. Ceph's gateway has storage classes, but reads all of them at
 * once, and knows neither. Everything else goes through to it. Written after the pages of the S3 API on GetObject,
 * HeadObject, RestoreObject and GetBucketReplication.
 */

export interface RestoreRequest {
  /** `/bucket/key` */
  readonly path: string;
  readonly days: number;
  readonly tier: string;
}

interface Frozen {
  readonly storageClass: string;
  state: 'none' | 'ongoing' | 'restored';
}

export interface AwsFake {
  readonly endpoint: string;
  /** All that was asked for, in order. */
  readonly restores: readonly RestoreRequest[];
  /** These keys are archived from now on, whatever the gateway thinks. */
  freeze(bucketAndPrefix: string, storageClass: string, keys: readonly string[]): void;
  /** Those that were asked for come back, at most so many. */
  deliver(most?: number): number;
  /** What GetBucketReplication answers with; null: there is none. */
  replication: string | null;
  /** x-amz-replication-status of an object; null: none. */
  replicationStatus: (path: string) => string | null;
  close(): Promise<void>;
}

const errorBody = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>the fake says so</Message></Error>`;

export async function startAwsFake(target: string): Promise<AwsFake> {
  const frozen = new Map<string, Frozen>();
  const restores: RestoreRequest[] = [];
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(target);

  function answer(response: ServerResponse, status: number, body = ''): void {
    response.writeHead(status, {
      'content-type': 'application/xml',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const { pathname, searchParams } = new URL(url, target);
    const path = decodeURIComponent(pathname);
    const object = frozen.get(path);
    if (method === 'POST' && searchParams.has('restore')) {
      const body = await text(incoming);
      if (!object) return answer(response, 403, errorBody('InvalidObjectState'));
      if (object.state === 'ongoing') return answer(response, 409, errorBody('RestoreAlreadyInProgress'));
      const was = object.state;
      restores.push({
        path,
        days: Number(/<Days>(\d+)</.exec(body)?.[1]),
        tier: /<Tier>(\w+)</.exec(body)?.[1] ?? '',
      });
      if (was === 'none') object.state = 'ongoing';
      return answer(response, was === 'none' ? 202 : 200);
    }
    if (method === 'GET' && searchParams.has('replication')) {
      incoming.resume();
      return fake.replication === null
        ? answer(response, 404, errorBody('ReplicationConfigurationNotFoundError'))
        : answer(response, 200, fake.replication);
    }
    // The SDK names the operation in the query; anything else there is about something beside the content.
    const isContent = method === 'GET' && [...searchParams.keys()].every((name) => name === 'x-id');
    if (isContent && object && object.state !== 'restored') {
      incoming.resume();
      return answer(response, 403, errorBody('InvalidObjectState'));
    }
    const forwarded = request({ hostname, port, method, path: url, agent, headers });
    forwarded.on('error', () => incoming.socket.destroy());
    forwarded.on('response', (from) => {
      const status = fake.replicationStatus(path);
      const extra: Record<string, string> = {
        ...(object && { 'x-amz-storage-class': object.storageClass }),
        ...(object?.state === 'ongoing' && { 'x-amz-restore': 'ongoing-request="true"' }),
        ...(object?.state === 'restored' && {
          'x-amz-restore': `ongoing-request="false", expiry-date="${new Date(Date.now() + 5 * 86_400_000).toUTCString()}"`,
        }),
        ...(method === 'HEAD' && status !== null && { 'x-amz-replication-status': status }),
      };
      if (method === 'GET' && searchParams.has('list-type')) {
        const { 'content-length': _, 'transfer-encoding': __, ...kept } = from.headers;
        void text(from).then((content) => {
          response.writeHead(from.statusCode ?? 502, kept);
          response.end(content.replace(/<Contents>.*?<\/Contents>/gs, (each) => classed(path, each)));
        });
        return;
      }
      response.writeHead(from.statusCode ?? 502, { ...from.headers, ...extra });
      from.pipe(response);
    });
    incoming.pipe(forwarded);
  }

  /** An entry of a list, with the class that the fake knows. */
  function classed(bucketPath: string, entry: string): string {
    const key = /<Key>(.*?)<\/Key>/.exec(entry)?.[1] ?? '';
    const object = frozen.get(`${bucketPath.replace(/\/$/, '')}/${key}`);
    return object ? entry.replace(/<StorageClass>.*?</, `<StorageClass>${object.storageClass}<`) : entry;
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fake: AwsFake = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    restores,
    freeze(bucketAndPrefix, storageClass, keys) {
      for (const key of keys) frozen.set(`/${bucketAndPrefix}/${key}`, { storageClass, state: 'none' });
    },
    deliver(most = Number.POSITIVE_INFINITY) {
      let delivered = 0;
      for (const object of frozen.values()) {
        if (object.state !== 'ongoing' || delivered >= most) continue;
        object.state = 'restored';
        delivered++;
      }
      return delivered;
    },
    replication: null,
    replicationStatus: () => null,
    async close() {
      agent.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return fake;
}
