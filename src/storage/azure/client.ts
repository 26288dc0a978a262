import type { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ContainerClient } from '@azure/storage-blob';
import { LifeboatError } from '../../core/errors.ts';
import { agentFor } from '../agent.ts';
import type { AzureSettings } from './settings.ts';

/** The SDK's client, made at the first request: it takes longer to load than most commands take without it. */

export interface AzureConnection {
  /** Begins to load the SDK. */
  prepare(): void;
  container(): Promise<ContainerClient>;
}

/** What a body hashes to (MD5 in base64), by the body: the SDK has no place for it in a Put Blob. */
const hashes = new WeakMap<object, string>();

export function noteMd5(body: object, md5: string): void {
  hashes.set(body, md5);
}

/** @throws LifeboatError `storage-credentials`: any text makes a key, and the server only tells that it is wrong. */
function keyOf(text: string): string {
  const key = text.trim();
  if (key !== '' && Buffer.from(key, 'base64').toString('base64') === key) return key;
  throw new LifeboatError('storage-credentials', 'the key of the Azure account is none: keys are base64', {
    hint: 'copy one of the keys that the portal shows under "Access keys"',
  });
}

async function credentialOf({ credentials }: AzureSettings, sdk: typeof import('./sdk.ts').sdk) {
  if (credentials.kind === 'key')
    return new sdk.StorageSharedKeyCredential(credentials.account, keyOf(await credentials.key()));
  // The signature stands in the URL.
  if (credentials.kind === 'sas') return undefined;
  const { identity } = await import('./identity.ts');
  return credentials.kind === 'cli'
    ? new identity.AzureCliCredential()
    : new identity.DefaultAzureCredential();
}

/** Closes connections on which nothing moves: the agent only tells of them. */
function closeStuck(agent: Agent, stuckMs: number): void {
  const watched = (socket: Duplex | null | undefined): void => {
    socket?.on('timeout', () => {
      const why = `nothing moved for ${Math.round(stuckMs / 1000)} s`;
      socket.destroy(Object.assign(new Error(why), { code: 'ETIMEDOUT' }));
    });
  };
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, (error, later) => {
      if (later !== socket) watched(later);
      callback?.(error, later);
    });
    watched(socket);
    return socket;
  };
}

async function open(settings: AzureSettings): Promise<ContainerClient> {
  const { sdk } = await import('./sdk.ts');
  const { endpoint, container, credentials, stuckMs } = settings;
  const agent = await agentFor(endpoint.startsWith('https:'), settings, stuckMs);
  closeStuck(agent, stuckMs);
  // Tries again are the business of a layer of its own, which knows all storages.
  const pipeline = sdk.newPipeline(await credentialOf(settings, sdk), { retryOptions: { maxTries: 1 } });
  pipeline.factories.push({
    create: (next) => ({
      sendRequest(request) {
        settings.onRequest?.(operationOf(request.method, new URL(request.url)));
        request.agent = agent;
        request.headers.set('User-Agent', settings.userAgent);
        const md5 = request.body ? hashes.get(request.body as object) : undefined;
        if (md5 !== undefined) request.headers.set('Content-MD5', md5);
        return next.sendRequest(request);
      },
    }),
  });
  const signature =
    credentials.kind === 'sas' ? `?${(await credentials.signature()).trim().replace(/^\?/, '')}` : '';
  return new sdk.ContainerClient(`${endpoint}/${container}${signature}`, pipeline);
}

const blobOperations: Readonly<Record<string, string>> = {
  PUT: 'Put Blob',
  GET: 'Get Blob',
  HEAD: 'Get Blob Properties',
  DELETE: 'Delete Blob',
};

/** As the REST API names it. */
function operationOf(method: string, { searchParams }: URL): string {
  const part = searchParams.get('comp');
  if (part === 'list') return 'List Blobs';
  if (part === 'block') return 'Put Block';
  if (part === 'blocklist') return 'Put Block List';
  if (searchParams.get('restype') === 'container')
    return method === 'PUT' ? 'Create Container' : 'Get Container Properties';
  return blobOperations[method] ?? method;
}

export function connectAzure(settings: AzureSettings): AzureConnection {
  let opened: Promise<ContainerClient> | null = null;
  function container(): Promise<ContainerClient> {
    if (opened) return opened;
    const opening = open(settings);
    opened = opening;
    // Whoever awaits it is told; the next request tries anew.
    opening.catch(() => {
      opened = null;
    });
    return opening;
  }
  return { prepare: () => void container(), container };
}
