import { type ErrorCode, errnoOf, LifeboatError } from '../../core/errors.ts';

/**
 * What a failed request means, by the code of the answer (Azure Storage, "Common REST API error codes" and "Blob
 * Storage error codes"), the status where there is no code, and what Node says where there was no answer.
 */

const codeByAzure: Readonly<Record<string, ErrorCode>> = {
  BlobNotFound: 'storage-missing-file',
  ResourceNotFound: 'storage-missing-file',
  BlobAlreadyExists: 'storage-exists',
  ContainerNotFound: 'storage-bucket-missing',
  ContainerBeingDeleted: 'storage-bucket-missing',
  ContainerDisabled: 'storage-denied',
  AccountIsDisabled: 'storage-denied',
  AuthorizationFailure: 'storage-denied',
  AuthorizationPermissionMismatch: 'storage-denied',
  AuthorizationProtocolMismatch: 'storage-denied',
  AuthorizationResourceTypeMismatch: 'storage-denied',
  AuthorizationServiceMismatch: 'storage-denied',
  AuthorizationSourceIPMismatch: 'storage-denied',
  InsufficientAccountPermissions: 'storage-denied',
  KeyBasedAuthenticationNotPermitted: 'storage-denied',
  PublicAccessNotPermitted: 'storage-credentials',
  NoAuthenticationInformation: 'storage-credentials',
  InvalidAuthenticationInfo: 'storage-credentials',
  AuthenticationFailed: 'storage-credentials',
  BlobImmutableDueToPolicy: 'storage-denied',
  ContainerImmutableDueToPolicy: 'storage-denied',
  LeaseIdMissing: 'storage-denied',
  SnapshotsPresent: 'storage-denied',
  BlobArchived: 'storage-archived',
  BlobBeingRehydrated: 'storage-archived',
  ServerBusy: 'storage-throttled',
  AccountIngressLimitExceeded: 'storage-throttled',
  OperationTimedOut: 'storage-failed',
  InternalError: 'storage-failed',
  // What arrived is not what was sent: sending it again helps.
  Md5Mismatch: 'storage-failed',
  IncompleteBody: 'storage-failed',
  InvalidBlockList: 'storage-failed',
  InsufficientStorage: 'storage-full',
};

/** Where the answer has no code. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'storage-settings',
  401: 'storage-credentials',
  403: 'storage-denied',
  404: 'storage-missing-file',
  405: 'storage-denied',
  409: 'storage-settings',
  412: 'storage-denied',
  413: 'storage-settings',
  429: 'storage-throttled',
  503: 'storage-throttled',
  507: 'storage-full',
};

const unreachable =
  /^(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|REQUEST_SEND_ERROR)$/;
const tls = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|HOSTNAME_MISMATCH)/;

/** Errors of the library that looks for credentials. */
const identityErrors =
  /^(?:CredentialUnavailableError|AuthenticationError|AggregateAuthenticationError|AuthenticationRequiredError)$/;

interface AzureError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly authenticationErrorDetail?: unknown };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** The code of the answer, empty where it has none. */
export function azureCodeOf(error: unknown): string {
  const { code } = (error ?? {}) as AzureError;
  return typeof code === 'string' ? code : '';
}

/** The status of the answer; 0 where there was none. */
export function statusOf(error: unknown): number {
  const { statusCode } = (error ?? {}) as AzureError;
  return typeof statusCode === 'number' ? statusCode : 0;
}

/** Azure refuses what was signed a quarter of an hour ago, or will be in a quarter of an hour. */
const clockSkewMs = 15 * 60_000;

function isRefusedForClock(error: unknown, nowMs: number): boolean {
  if (azureCodeOf(error) !== 'AuthenticationFailed' && statusOf(error) !== 403) return false;
  const date = Date.parse((error as AzureError).response?.headers?.get('date') ?? '');
  return Math.abs(date - nowMs) >= clockSkewMs;
}

function codeOf(error: unknown): ErrorCode {
  const known = codeByWords(error) ?? codeByAzure[azureCodeOf(error)];
  if (known) return known;
  if (identityErrors.test(String((error as AzureError).name))) return 'storage-credentials';
  const errno = errnoOf(error);
  if (tls.test(errno)) return 'storage-tls';
  if (unreachable.test(errno) || isBrokenOff(error)) return 'storage-unreachable';
  return codeByStatus[statusOf(error)] ?? 'storage-failed';
}

/** The SDK's way to say that a connection ended in the middle of an answer: nobody here aborts anything. */
const isBrokenOff = (error: unknown): boolean => (error as AzureError).name === 'AbortError';

/** Of answers whose code alone does not tell. */
function codeByWords(error: unknown): ErrorCode | null {
  const { message } = (error ?? {}) as AzureError;
  if (typeof message !== 'string') return null;
  // The SDK gives no token to servers without TLS.
  if (message.startsWith('Bearer token authentication is not permitted')) return 'storage-settings';
  return message.startsWith('Server failed to authenticate') ? 'storage-credentials' : null;
}

const spoken: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'the name of the host is not known',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  ContainerNotFound: 'there is no such container',
  ContainerBeingDeleted: 'the container is being deleted',
  BlobNotFound: 'there is no such blob',
  AuthenticationFailed: 'the key or the signature is not accepted',
  BlobArchived: 'it is in the archive tier, from where it has to be brought back first',
  BlobBeingRehydrated: 'it is on its way back from the archive tier',
  BlobImmutableDueToPolicy: 'an immutability policy holds it',
  ServerBusy: 'it asks for fewer requests',
};

/** Signatures stand in URLs, which stand in some messages. */
const withoutSignature = (text: string): string => text.replace(/([?&]sig=)[^&\s]+/gi, '$1***');

/** What the server or the system said, in one line. */
function explanation(error: unknown): string {
  const code = azureCodeOf(error);
  const words = isBrokenOff(error) ? 'the connection was closed' : (spoken[code] ?? spoken[errnoOf(error)]);
  const { message, details } = error as AzureError;
  const detail = details?.authenticationErrorDetail;
  // Expired signatures and the like: nothing else tells.
  const more = code === 'AuthenticationFailed' && typeof detail === 'string' ? `: ${detail}` : '';
  if (words) return withoutSignature(words + more.split('\n')[0]);
  const said = typeof message === 'string' ? (message.trim().split('\n')[0] ?? '') : '';
  const status = statusOf(error);
  const parts = [
    code !== said && status > 0 ? code : '',
    said,
    said === '' && status > 0 ? `status ${status}` : '',
  ];
  return withoutSignature(parts.filter((part) => part !== '').join(': ')) || 'no reason was given';
}

const hints: Readonly<Record<string, string>> = {
  'storage-credentials': 'check AZURE_ACCOUNT_KEY or AZURE_ACCOUNT_SAS; without both, log in with: az login',
  'storage-archived':
    'bring the packs back (`az storage blob set-tier --tier Hot`), wait until they are there, then run the command again',
  'storage-bucket-missing':
    'check the name of the container and AZURE_ACCOUNT_NAME; `lifeboat init` creates the container where it may',
  ENOTFOUND: 'check AZURE_ACCOUNT_NAME and AZURE_ENDPOINT_SUFFIX',
};

/** @param action such as `read data/ab/…`. */
export function azureFailure(
  action: string,
  location: string,
  error: unknown,
  nowMs = Date.now(),
): LifeboatError {
  if (error instanceof LifeboatError) return error;
  // Neither the server nor the network says these.
  if (error instanceof TypeError || error instanceof ReferenceError)
    return new LifeboatError('internal', `cannot ${action}: ${error.message}`, { cause: error });
  const message = `cannot ${action} at ${location}: `;
  if (isRefusedForClock(error, nowMs))
    return new LifeboatError(
      'storage-clock-skew',
      `${message}the clock of this machine differs too much from the storage's`,
      { cause: error },
    );
  const code = codeOf(error);
  const hint = hints[errnoOf(error)] ?? hints[code];
  return new LifeboatError(code, message + explanation(error), {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
