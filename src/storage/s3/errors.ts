import { type ErrorCode, errnoOf, LifeboatError } from '../../core/errors.ts';

/**
 * What a failed request means, by the code of S3's answer (S3 API "Error responses"), the status where there is
 * no code, and what Node says where there was no answer.
 */

const codeByS3: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'storage-missing-file',
  NotFound: 'storage-missing-file',
  NoSuchVersion: 'storage-missing-file',
  PreconditionFailed: 'storage-exists',
  // Two conditional writes at once: the other may yet fail.
  ConditionalRequestConflict: 'storage-failed',
  NoSuchBucket: 'storage-bucket-missing',
  AccessDenied: 'storage-denied',
  AllAccessDisabled: 'storage-denied',
  AccountProblem: 'storage-denied',
  MethodNotAllowed: 'storage-denied',
  InvalidAccessKeyId: 'storage-credentials',
  SignatureDoesNotMatch: 'storage-credentials',
  ExpiredToken: 'storage-credentials',
  TokenRefreshRequired: 'storage-credentials',
  InvalidToken: 'storage-credentials',
  InvalidSecurity: 'storage-credentials',
  InvalidClientTokenId: 'storage-credentials',
  ExpiredTokenException: 'storage-credentials',
  CredentialsProviderError: 'storage-credentials',
  TokenProviderError: 'storage-credentials',
  RequestTimeTooSkewed: 'storage-clock-skew',
  RequestExpired: 'storage-clock-skew',
  SlowDown: 'storage-throttled',
  SlowDownRead: 'storage-throttled',
  SlowDownWrite: 'storage-throttled',
  Throttling: 'storage-throttled',
  ThrottlingException: 'storage-throttled',
  TooManyRequests: 'storage-throttled',
  TooManyRequestsException: 'storage-throttled',
  RequestLimitExceeded: 'storage-throttled',
  BandwidthLimitExceeded: 'storage-throttled',
  QuotaExceeded: 'storage-full',
  XMinioStorageFull: 'storage-full',
  InsufficientStorage: 'storage-full',
  EntityTooLarge: 'storage-settings',
  InvalidObjectState: 'storage-archived',
  InvalidStorageClass: 'storage-settings',
  InvalidEncryptionAlgorithmError: 'storage-settings',
  InvalidBucketName: 'storage-settings',
  InvalidRequest: 'storage-settings',
  MalformedPolicyDocumentException: 'storage-settings',
  PackedPolicyTooLargeException: 'storage-settings',
  ValidationError: 'storage-settings',
  InvalidArgument: 'storage-settings',
  IllegalLocationConstraintException: 'storage-settings',
  NotImplemented: 'storage-settings',
  AuthorizationHeaderMalformed: 'storage-settings',
  PermanentRedirect: 'storage-settings',
  KMS: 'storage-denied',
  // What arrived is not what was sent, or not all of it: sending it again helps.
  RequestTimeout: 'storage-failed',
  BadDigest: 'storage-failed',
  IncompleteBody: 'storage-failed',
  XAmzContentSHA256Mismatch: 'storage-failed',
  XAmzContentChecksumMismatch: 'storage-failed',
};

/** Where the answer has no code, as that of HEAD. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  301: 'storage-settings',
  307: 'storage-failed',
  400: 'storage-settings',
  401: 'storage-credentials',
  403: 'storage-denied',
  404: 'storage-missing-file',
  405: 'storage-denied',
  412: 'storage-exists',
  429: 'storage-throttled',
  501: 'storage-settings',
  503: 'storage-throttled',
  507: 'storage-full',
};

const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
]);

const tls = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|HOSTNAME_MISMATCH)/;

interface AwsError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
}

/** The code of S3's answer, or what else the SDK calls the failure; empty where nobody gave it a name. */
export function s3CodeOf(error: unknown): string {
  const { name } = (error ?? {}) as AwsError;
  return typeof name === 'string' && name !== 'Error' && !/^(?:Unknown|UnknownError|\d+)$/.test(name)
    ? name
    : '';
}

/** The status of the answer; 0 where there was none. */
export function statusOf(error: unknown): number {
  const status = ((error ?? {}) as AwsError).$metadata?.httpStatusCode;
  return typeof status === 'number' ? status : 0;
}

function codeOf(error: unknown): ErrorCode {
  const known = codeByS3[s3CodeOf(error).replace(/^KMS\..*/, 'KMS')];
  if (known) return known;
  const errno = errnoOf(error);
  if (tls.test(errno)) return 'storage-tls';
  if (unreachable.has(errno) || s3CodeOf(error) === 'TimeoutError') return 'storage-unreachable';
  return codeByStatus[statusOf(error)] ?? 'storage-failed';
}

const spoken: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'the name of the host is not known',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  TimeoutError: 'no answer came in time',
  NoSuchBucket: 'there is no such bucket',
  NoSuchKey: 'there is no such object',
  NotFound: 'there is no such object',
  InvalidAccessKeyId: 'the access key is not known there',
  SignatureDoesNotMatch: 'the secret does not belong to the access key',
  ExpiredToken: 'the session token has expired',
  RequestTimeTooSkewed: "the clock of this machine differs too much from the storage's",
  SlowDown: 'it asks for fewer requests',
};

/** What the server or the system said, in one line. */
function explanation(error: unknown): string {
  const name = s3CodeOf(error);
  const words = spoken[errnoOf(error)] ?? spoken[name];
  if (words) return words;
  const { message } = (error ?? {}) as AwsError;
  const said =
    typeof message === 'string' && !/^(?:Unknown|UnknownError)$/.test(message) ? message.trim() : '';
  const status = statusOf(error);
  const parts = [
    name && name !== said && status > 0 ? name : '',
    said.split('\n')[0] ?? '',
    said === '' && status > 0 ? `status ${status}` : '',
  ];
  return parts.filter((part) => part !== '').join(': ') || 'no reason was given';
}

/** Whether what was refused is a retention, by a bucket that was made without Object Lock. */
export function lacksObjectLock(error: unknown): boolean {
  const code = s3CodeOf(error);
  if (/ObjectLock/i.test(code) || statusOf(error) === 501) return true;
  const { message } = (error ?? {}) as AwsError;
  // Ceph gives no words; of those that do, others may mean other settings.
  const isWordless =
    typeof message !== 'string' || /^(?:Unknown|UnknownError|InvalidRequest|)$/.test(message);
  return code === 'InvalidRequest' && (isWordless || /lock/i.test(message));
}

/** @param action such as `write data/ab/…`. */
export function objectLockMissing(action: string, location: string, cause: unknown): LifeboatError {
  const message = `cannot ${action} at ${location}: the bucket was made without Object Lock`;
  return new LifeboatError('storage-object-lock-missing', message, { cause });
}

/** @param action such as `read data/ab/…`. */
export function s3Failure(action: string, location: string, error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  // Neither the server nor the network says these.
  if (error instanceof TypeError || error instanceof ReferenceError)
    return new LifeboatError('internal', `cannot ${action}: ${error.message}`, { cause: error });
  return new LifeboatError(codeOf(error), `cannot ${action} at ${location}: ${explanation(error)}`, {
    cause: error,
  });
}
