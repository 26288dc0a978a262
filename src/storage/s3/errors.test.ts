import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LifeboatError } from '../../core/errors.ts';
import { s3Failure } from './errors.ts';

const answer = (name: string, status: number, message = ''): Error =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
const system = (code: string): Error => Object.assign(new Error(`connect ${code} 1.2.3.4:443`), { code });

const meanings: readonly (readonly [Error, string, string])[] = [
  [answer('NoSuchKey', 404), 'storage-missing-file', 'there is no such object'],
  [answer('NoSuchBucket', 404), 'storage-bucket-missing', 'there is no such bucket'],
  [answer('AccessDenied', 403, 'Access Denied'), 'storage-denied', 'AccessDenied: Access Denied'],
  [answer('403', 403, 'UnknownError'), 'storage-denied', 'status 403'],
  [answer('InvalidAccessKeyId', 403, 'x'), 'storage-credentials', 'the access key is not known there'],
  [answer('ExpiredToken', 400, 'x'), 'storage-credentials', 'the session token has expired'],
  [
    answer('RequestTimeTooSkewed', 403, 'x'),
    'storage-clock-skew',
    "the clock of this machine differs too much from the storage's",
  ],
  [answer('SlowDown', 503), 'storage-throttled', 'it asks for fewer requests'],
  [answer('503', 503), 'storage-throttled', 'status 503'],
  [
    answer('InternalError', 500, 'We encountered an internal error'),
    'storage-failed',
    'InternalError: We encountered an internal error',
  ],
  [answer('BadDigest', 400, 'no match'), 'storage-failed', 'BadDigest: no match'],
  [answer('QuotaExceeded', 403), 'storage-full', 'QuotaExceeded: status 403'],
  [answer('InvalidObjectState', 403, 'cold'), 'storage-archived', 'InvalidObjectState: cold'],
  [
    answer('InvalidStorageClass', 400, 'no such class'),
    'storage-settings',
    'InvalidStorageClass: no such class',
  ],
  [system('ECONNREFUSED'), 'storage-unreachable', 'the connection was refused'],
  [system('ENOTFOUND'), 'storage-unreachable', 'the name of the host is not known'],
  [system('SELF_SIGNED_CERT_IN_CHAIN'), 'storage-tls', 'connect SELF_SIGNED_CERT_IN_CHAIN 1.2.3.4:443'],
  [new TypeError('x is not a function'), 'internal', 'x is not a function'],
];

describe('a failed request', () => {
  for (const [error, code, said] of meanings)
    test(`${error.name} ${error.message} means ${code}`, () => {
      const failure = s3Failure('read data/x', 's3:host/bucket', error);
      assert.equal(failure.code, code);
      assert.ok(failure.message.endsWith(said), failure.message);
    });

  test('that has a meaning already keeps it', () => {
    const known = new LifeboatError('storage-failed', 'known');
    assert.equal(s3Failure('read', 'there', known), known);
  });
});
