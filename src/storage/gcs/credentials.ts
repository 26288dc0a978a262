import { readFile } from 'node:fs/promises';
import type { OutgoingHttpHeaders } from 'node:http';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { agentFor } from '../agent.ts';
import type { AuthLibrary } from './auth-library.ts';
import type { GcsSettings } from './settings.ts';

/** Who asks: tokens as Google's own library gets and renews them. */

const scope = 'https://www.googleapis.com/auth/devstorage.read_write';

type Headers = () => Promise<OutgoingHttpHeaders>;

const howToLogIn =
  'set GOOGLE_APPLICATION_CREDENTIALS to a key file, or GOOGLE_ACCESS_TOKEN, or run: gcloud auth application-default login';

/** The headers of authorisation. Rejects with `storage-credentials`, `storage-clock-skew`, `storage-unreachable`. */
export function gcsAuthorization(settings: GcsSettings): Headers {
  const { credentials, location } = settings;
  if (credentials.kind === 'anonymous') return async () => ({});
  if (credentials.kind === 'token') {
    const authorization = `Bearer ${credentials.token}`;
    return async () => ({ authorization });
  }
  let opened: Promise<Headers> | null = null;
  return async () => {
    opened ??= open(settings);
    try {
      return await (await opened)();
    } catch (error) {
      opened = null;
      throw credentialsFailure(location, error);
    }
  };
}

async function open(settings: GcsSettings): Promise<Headers> {
  const { authLibrary } = await import('./auth-library.ts');
  const { credentials, endpoint } = settings;
  const ownTls =
    settings.authorities.length > 0 || settings.clientCertificate !== null || settings.insecureTls;
  // The server of tokens may be behind the same gateway of the house as the storage.
  const transport = ownTls ? { transporterOptions: { agent: await agentFor(true, settings) } } : {};
  const client =
    credentials.kind === 'file'
      ? await clientOfFile(credentials.path, authLibrary, transport)
      : await new authLibrary.GoogleAuth({ scopes: scope, clientOptions: transport }).getClient();
  return async () => Object.fromEntries((await client.getRequestHeaders(endpoint)).entries());
}

interface CredentialsFile {
  readonly type?: unknown;
  readonly client_email?: string;
  readonly private_key?: string;
  readonly private_key_id?: string;
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly refresh_token?: string;
}

async function clientOfFile(path: string, { JWT, UserRefreshClient }: AuthLibrary, transport: object) {
  const text = await readFile(path, 'utf8');
  let file: CredentialsFile;
  try {
    file = JSON.parse(text) as CredentialsFile;
  } catch {
    // The message of the parser would show a part of the content.
    throw new LifeboatError('storage-credentials', `the credentials in ${path} are no JSON`);
  }
  if (file.type === 'service_account')
    return new JWT({
      email: file.client_email,
      key: file.private_key,
      keyId: file.private_key_id,
      scopes: scope,
      ...transport,
    });
  if (file.type === 'authorized_user')
    return new UserRefreshClient({
      clientId: file.client_id,
      clientSecret: file.client_secret,
      refreshToken: file.refresh_token,
      ...transport,
    });
  throw new LifeboatError(
    'storage-credentials',
    `${path} is neither the key of a service account nor a login`,
    {
      hint: 'name credentials of other types in GOOGLE_APPLICATION_CREDENTIALS',
    },
  );
}

function credentialsFailure(location: string, error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const said = messageOf(error).split('\n')[0] ?? '';
  const message = `cannot log in to ${location}: `;
  // The library's errors hold the request, with what it proves itself by.
  // OAuth's answer to a signature of another hour (RFC 7523, section 3).
  if (/iat and exp|reasonable timeframe/i.test(said))
    return new LifeboatError(
      'storage-clock-skew',
      `${message}the clock of this machine differs too much from Google's`,
    );
  if (/^(?:ECONN|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT)/.test(errnoOf(error)))
    return new LifeboatError('storage-unreachable', `${message}${said}`);
  const { status } = error as { readonly status?: unknown };
  if (typeof status === 'number' && (status === 429 || status >= 500))
    return new LifeboatError('storage-failed', `${message}the server of tokens answers ${status}`);
  if (said.startsWith('Could not load the default credentials'))
    return new LifeboatError('storage-credentials', `${message}there are no credentials here`, {
      hint: howToLogIn,
    });
  if (errnoOf(error) === 'ENOENT')
    return new LifeboatError('storage-credentials', `${message}${said}`, {
      hint: 'check GOOGLE_APPLICATION_CREDENTIALS, or gs.credentials',
    });
  return new LifeboatError('storage-credentials', `${message}${said}`, { hint: howToLogIn });
}
