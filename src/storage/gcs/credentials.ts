import type { OutgoingHttpHeaders } from 'node:http';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { agentFor } from '../agent.ts';
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
    opened ??= open(settings, credentials.keyFile);
    try {
      return await (await opened)();
    } catch (error) {
      opened = null;
      throw credentialsFailure(location, error);
    }
  };
}

async function open(settings: GcsSettings, keyFile: string | null): Promise<Headers> {
  const { authLibrary } = await import('./auth-library.ts');
  const ownTls =
    settings.authorities.length > 0 || settings.clientCertificate !== null || settings.insecureTls;
  const auth = new authLibrary.GoogleAuth({
    scopes: scope,
    ...(keyFile !== null && { keyFilename: keyFile }),
    // The token's server may be behind the same gateway of the house as the storage.
    ...(ownTls && { clientOptions: { transporterOptions: { agent: await agentFor(true, settings) } } }),
  });
  const client = await auth.getClient();
  return async () => Object.fromEntries((await client.getRequestHeaders(settings.endpoint)).entries());
}

function credentialsFailure(location: string, error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const said = messageOf(error).split('\n')[0] ?? '';
  const message = `cannot log in to ${location}: `;
  const cause = { cause: error };
  // OAuth's answer to a signature of another hour (RFC 7523, section 3).
  if (/iat and exp|reasonable timeframe/i.test(said))
    return new LifeboatError(
      'storage-clock-skew',
      `${message}the clock of this machine differs too much from Google's`,
      cause,
    );
  if (/^(?:ECONN|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT)/.test(errnoOf(error)))
    return new LifeboatError('storage-unreachable', `${message}${said}`, cause);
  if (said.startsWith('Could not load the default credentials'))
    return new LifeboatError('storage-credentials', `${message}there are no credentials here`, {
      hint: howToLogIn,
    });
  if (errnoOf(error) === 'ENOENT')
    return new LifeboatError(
      'storage-credentials',
      `${message}the file of the credentials is not there: ${said}`,
      {
        hint: 'check GOOGLE_APPLICATION_CREDENTIALS',
      },
    );
  return new LifeboatError('storage-credentials', `${message}${said}`, { ...cause, hint: howToLogIn });
}
