import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gcsFailure } from './errors.ts';

const plain = (status: number, body: string) => ({ status, headers: {}, body: Buffer.from(body) });
/** As the JSON API answers. */
const answer = (status: number, reason: string, message: string) =>
  plain(status, JSON.stringify({ error: { code: status, message, errors: [{ reason, message }] } }));

const meanings = [
  [plain(404, 'No such object: bucket/x'), 'storage-missing-file', 'there is no such object'],
  [
    answer(404, 'notFound', 'The specified bucket does not exist.'),
    'storage-bucket-missing',
    'there is no such bucket',
  ],
  [answer(401, 'authError', 'Invalid Credentials'), 'storage-credentials', 'Invalid Credentials'],
  [
    answer(403, 'forbidden', 'job does not have storage.objects.delete access'),
    'storage-denied',
    'storage.objects.delete access',
  ],
  [
    answer(403, 'retentionPolicyNotMet', 'Object is subject to a retention policy'),
    'storage-denied',
    'Object is subject to a retention policy',
  ],
  [answer(403, 'rateLimitExceeded', 'slower'), 'storage-throttled', 'slower'],
  [answer(429, 'rateLimitExceeded', 'slower'), 'storage-throttled', 'slower'],
  [plain(503, '<html>sorry</html>'), 'storage-throttled', 'the server answers 503'],
  [plain(502, ''), 'storage-failed', 'the server answers 502'],
  [answer(500, 'backendError', 'Backend Error'), 'storage-failed', 'Backend Error'],
  [
    answer(400, 'invalid', 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'),
    'storage-failed',
    'calculated MD5 hash "b".',
  ],
  [answer(400, 'invalid', 'Invalid storage class'), 'storage-settings', 'Invalid storage class'],
] as const;

describe('a failed request to Google Cloud Storage', () => {
  for (const [given, code, said] of meanings)
    test(`with status ${given.status} and ${given.body.toString().slice(0, 60)} means ${code}`, () => {
      const failure = gcsFailure('read data/x', 'gs:bucket:/', given);
      assert.equal(failure.code, code);
      assert.equal(failure.message.endsWith(said), true, failure.message);
    });
});
