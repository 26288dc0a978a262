import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { azureFailure } from './errors.ts';

interface More {
  readonly date?: string;
  readonly detail?: string;
}

const answer = (code: string, statusCode: number, message = '', { date, detail }: More = {}): Error =>
  Object.assign(new Error(message), {
    name: 'RestError',
    ...(code && { code }),
    statusCode,
    details: { authenticationErrorDetail: detail },
    response: { headers: { get: (name: string) => (name === 'date' ? date : undefined) } },
  });
const system = (code: string): Error => Object.assign(new Error(`connect ${code} 1.2.3.4:443`), { code });
const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

const nowMs = Date.parse('2026-05-01T12:00:00Z');

const meanings: readonly (readonly [Error, string, string])[] = [
  [answer('BlobNotFound', 404), 'storage-missing-file', 'there is no such blob'],
  [answer('', 404), 'storage-missing-file', 'status 404'],
  [answer('ContainerNotFound', 404), 'storage-bucket-missing', 'there is no such container'],
  [answer('AuthorizationPermissionMismatch', 403, 'no role'), 'storage-denied', 'Mismatch: no role'],
  [answer('BlobImmutableDueToPolicy', 409), 'storage-denied', 'an immutability policy holds it'],
  [
    answer('AuthenticationFailed', 403, 'x', {
      detail: 'Signature not valid in the specified time frame',
      date: 'Fri, 01 May 2026 12:00:05 GMT',
    }),
    'storage-credentials',
    'the key or the signature is not accepted: Signature not valid in the specified time frame',
  ],
  [
    answer('AuthenticationFailed', 403, 'x', { date: 'Fri, 01 May 2026 12:20:00 GMT' }),
    'storage-clock-skew',
    "the clock of this machine differs too much from the storage's",
  ],
  [answer('BlobArchived', 409), 'storage-archived', 'from where it has to be brought back first'],
  [answer('ServerBusy', 503), 'storage-throttled', 'it asks for fewer requests'],
  [answer('', 429), 'storage-throttled', 'status 429'],
  [answer('InternalError', 500, 'oops'), 'storage-failed', 'InternalError: oops'],
  [answer('Md5Mismatch', 400, 'no match'), 'storage-failed', 'Md5Mismatch: no match'],
  [answer('InvalidHeaderValue', 400, 'tier'), 'storage-settings', 'InvalidHeaderValue: tier'],
  [
    answer('', 400, 'GET https://host/c?sv=1&sig=abc%2Fdef&x=1 failed'),
    'storage-settings',
    'sig=***&x=1 failed',
  ],
  [named('CredentialUnavailableError', 'az login'), 'storage-credentials', 'az login'],
  [named('AbortError', 'The operation was aborted.'), 'storage-unreachable', 'the connection was closed'],
  [system('ENOTFOUND'), 'storage-unreachable', 'the name of the host is not known'],
  [system('ETIMEDOUT'), 'storage-unreachable', 'connect ETIMEDOUT 1.2.3.4:443'],
  [system('SELF_SIGNED_CERT_IN_CHAIN'), 'storage-tls', 'connect SELF_SIGNED_CERT_IN_CHAIN 1.2.3.4:443'],
  [new TypeError('x is not a function'), 'internal', 'x is not a function'],
];

describe('a failed request to Azure', () => {
  for (const [error, code, said] of meanings)
    test(`${(error as { code?: string }).code ?? error.name} ${error.message} means ${code}`, () => {
      const failure = azureFailure('read data/x', 'azure:c:/', error, nowMs);
      assert.equal(failure.code, code);
      assert.ok(failure.message.endsWith(said), failure.message);
    });

  test('of an unknown host names what the host is made of', () => {
    assert.match(azureFailure('read', 'azure:c:/', system('ENOTFOUND')).hint, /AZURE_ACCOUNT_NAME/);
  });
});
