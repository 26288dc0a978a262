import { type ErrorCode, LifeboatError } from '../../core/errors.ts';
import type { HttpAnswer } from '../http.ts';

/**
 * What a failed request means, by the reason in the answer of the JSON API (Cloud Storage documentation, "HTTP
 * status and error codes for JSON"), else by its status.
 */

const codeByReason: Readonly<Record<string, ErrorCode>> = {
  authError: 'storage-credentials',
  required: 'storage-settings',
  expired: 'storage-credentials',
  rateLimitExceeded: 'storage-throttled',
  userRateLimitExceeded: 'storage-throttled',
  downloadBandwidthExceeded: 'storage-throttled',
  uploadBandwidthExceeded: 'storage-throttled',
  dailyLimitExceeded: 'storage-denied',
  quotaExceeded: 'storage-full',
  accountDisabled: 'storage-denied',
  billingNotEnabled: 'storage-denied',
  retentionPolicyNotMet: 'storage-denied',
  objectUnderActiveHold: 'storage-denied',
  backendError: 'storage-failed',
  internalError: 'storage-failed',
};

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'storage-settings',
  401: 'storage-credentials',
  403: 'storage-denied',
  404: 'storage-missing-file',
  405: 'storage-denied',
  408: 'storage-failed',
  409: 'storage-settings',
  411: 'storage-settings',
  412: 'storage-exists',
  413: 'storage-settings',
  429: 'storage-throttled',
  503: 'storage-throttled',
};

const hints: Partial<Record<ErrorCode, string>> = {
  'storage-credentials': 'check GOOGLE_APPLICATION_CREDENTIALS, or renew GOOGLE_ACCESS_TOKEN',
};

interface Said {
  readonly reason: string;
  readonly message: string;
}

/** The reason and the words of an answer, as far as it has some. */
function saidBy(answer: HttpAnswer): Said {
  const text = answer.body.toString('utf8', 0, 4096).trim();
  try {
    const { error } = JSON.parse(text) as {
      error?: { message?: unknown; errors?: readonly { reason?: unknown }[] };
    };
    const reason = error?.errors?.[0]?.reason;
    const message = error?.message;
    return {
      reason: typeof reason === 'string' ? reason : '',
      message: typeof message === 'string' ? (message.split('\n')[0] ?? '') : '',
    };
  } catch {
    // Answers about content are plain text, those of machines in between are pages.
    return { reason: '', message: text.startsWith('<') ? '' : (text.split('\n')[0] ?? '').slice(0, 300) };
  }
}

/** Whether an answer with status 404 is about the bucket. */
export function isBucketMissing(answer: HttpAnswer): boolean {
  return answer.status === 404 && /bucket does not exist/i.test(saidBy(answer).message);
}

/** @param action such as `read data/ab/…`. */
export function gcsFailure(action: string, location: string, answer: HttpAnswer): LifeboatError {
  const said = saidBy(answer);
  const message = `cannot ${action} at ${location}: `;
  if (isBucketMissing(answer))
    return new LifeboatError('storage-bucket-missing', `${message}there is no such bucket`);
  // What arrived is not what was sent: sending it again helps.
  const isDamaged = answer.status === 400 && /(?:MD5|CRC32C) hash/i.test(said.message);
  const code = isDamaged
    ? 'storage-failed'
    : (codeByReason[said.reason] ?? codeByStatus[answer.status] ?? 'storage-failed');
  const words =
    code === 'storage-missing-file'
      ? 'there is no such object'
      : said.message || `the server answers ${answer.status}`;
  const hint = hints[code];
  return new LifeboatError(code, message + words, hint === undefined ? {} : { hint });
}
