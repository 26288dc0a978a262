import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { s3CodeOf, statusOf } from './errors.ts';
import { credentialsOfRole } from './role.ts';
import type { Sdk } from './sdk.ts';
import type { S3Settings } from './settings.ts';

/** The SDK's client, made at the first request: it takes longer to load than most commands take without it. */

export interface S3Connection {
  /** Begins to load the SDK. */
  prepare(): void;
  /** Runs one request. Where the bucket turns out to be in another region, it is sent there, as are all after it. */
  send<T>(request: (client: S3Client, sdk: Sdk) => Promise<T>): Promise<T>;
}

const connectMs = 30_000;
/** Of endpoints that have none of their own. */
const regionAnywhere = 'us-east-1';

/** The header by which a request says what its body hashes to, so that the signer need not hash it again. */
const hashHeader = 'x-amz-content-sha256';

/** What a body hashes to, in hexadecimal, by the body: the SDK's commands have no place for it. */
const hashes = new WeakMap<object, string>();

export function noteHash(body: object, sha256: string): void {
  hashes.set(body, sha256);
}

async function clientOf(settings: S3Settings, sdk: Sdk, region: () => Promise<string>): Promise<S3Client> {
  const secure = settings.endpoint === null || settings.endpoint.startsWith('https:');
  const agentOptions = {
    keepAlive: true,
    maxSockets: settings.connections,
    // Without the variables of the environment, Node goes straight to the host.
    proxyEnv: process.env,
  };
  const { Agent } = secure ? await import('node:https') : await import('node:http');
  const { authorities, clientCertificate } = settings;
  const agent = new Agent({
    ...agentOptions,
    ...(secure && {
      ...(authorities.length > 0 && { ca: [...authorities] }),
      ...(clientCertificate !== null && { cert: clientCertificate, key: clientCertificate }),
      rejectUnauthorized: !settings.insecureTls,
    }),
  });
  const config: S3ClientConfig = {
    region,
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    forcePathStyle: settings.bucketLookup === 'path' || (settings.bucketLookup === 'auto' && !settings.isAws),
    ...credentialsOf(settings),
    // Tries again are the business of a layer of its own, which knows all storages.
    maxAttempts: 1,
    followRegionRedirects: settings.isAws,
    // Each body says its SHA-256 already, which the server checks.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    // What a repository holds is checked when it is decrypted.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // The question would cost a round trip for each pack.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: settings.stuckMs,
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
      [secure ? 'httpsAgent' : 'httpAgent']: agent,
    },
    logger: silent,
  };
  const base = new sdk.S3Client(config);
  const client =
    settings.role === null
      ? base
      : new sdk.S3Client({ ...config, credentials: credentialsOfRole(settings.role, base) });
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      (args) => {
        settings.onRequest?.(commandName.replace(/Command$/, ''));
        const { headers, body } = args.request as { headers: Record<string, string>; body?: object };
        headers['user-agent'] = settings.userAgent;
        delete headers['x-amz-user-agent'];
        const hash = body && hashes.get(body);
        if (hash) headers[hashHeader] = hash;
        return next(args);
      },
    { step: 'build', name: 'lifeboatHeaders', priority: 'low' },
  );
  return client;
}

/** The SDK's notes are for programmers, and could tell of requests. */
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function credentialsOf({ credentials, profile }: S3Settings): Partial<S3ClientConfig> {
  // A signer that signs nothing: the request goes out as it is.
  if (credentials === 'anonymous')
    return {
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: { sign: async (request) => request },
    };
  if (credentials !== null) return { credentials };
  return profile === null ? {} : { profile };
}

/** S3 refuses what was signed a quarter of an hour ago, or will be in a quarter of an hour. */
const clockSkewMs = 15 * 60_000;

/** The answer to HEAD has no words, but its date, which the SDK has compared with this machine's. */
function isRefusedForClock(error: unknown, client: S3Client): boolean {
  return (
    statusOf(error) === 403 &&
    s3CodeOf(error) === '' &&
    Math.abs(client.config.systemClockOffset) >= clockSkewMs
  );
}

/** The region that an answer names as the right one. */
function regionOf(error: unknown): string | null {
  if (s3CodeOf(error) !== 'AuthorizationHeaderMalformed') return null;
  const { Region: region } = error as { Region?: unknown };
  return typeof region === 'string' && region !== '' ? region : null;
}

export function connectS3(settings: S3Settings): S3Connection {
  let region = settings.region;
  let opened: Promise<{ sdk: Sdk; client: S3Client }> | null = null;

  async function open(): Promise<{ sdk: Sdk; client: S3Client }> {
    const { sdk } = await import('./sdk.ts');
    const given = region ?? (settings.isAws ? await regionOfProfile(settings, sdk) : null) ?? regionAnywhere;
    region = given;
    return { sdk, client: await clientOf(settings, sdk, async () => region ?? given) };
  }

  /** Loads the SDK, so that it is there when the first request is made. */
  const prepare = (): void => {
    opened ??= open();
    opened.catch(() => undefined); // thrown where the first request awaits it
  };

  return {
    prepare,
    async send(request) {
      opened ??= open();
      const { sdk, client } = await opened;
      try {
        return await request(client, sdk);
      } catch (error) {
        if (isRefusedForClock(error, client))
          throw Object.assign(error as Error, { name: 'RequestTimeTooSkewed' });
        const other = regionOf(error);
        if (other === null || other === region) throw error;
        region = other;
        return request(client, sdk);
      }
    },
  };
}

/** As the environment or the profile says; null where nothing does. */
async function regionOfProfile({ profile }: S3Settings, sdk: Sdk): Promise<string | null> {
  const asking = new sdk.S3Client(profile === null ? {} : { profile });
  try {
    return await asking.config.region();
  } catch {
    return null; // the SDK's way to say that none is configured
  } finally {
    asking.destroy();
  }
}
