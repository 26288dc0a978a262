import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../../core/errors.ts';
import { parseS3Location, type S3Place } from './location.ts';

const place = (
  endpoint: string | null,
  bucket: string,
  prefix = '',
  more: Partial<S3Place> = {},
): S3Place => ({
  endpoint,
  region: null,
  bucket,
  prefix,
  isAws: false,
  ...more,
});
const aws = (region: string | null): Partial<S3Place> => ({ region, isAws: true });

const understood: readonly (readonly [string, S3Place])[] = [
  ['s3:https://host:9000/bucket', place('https://host:9000', 'bucket')],
  ['s3:https://host/bucket/', place('https://host', 'bucket')],
  ['s3:http://127.0.0.1:9000/bucket/a/b/', place('http://127.0.0.1:9000', 'bucket', 'a/b')],
  ['s3:host.example/bucket/a//b/./c', place('https://host.example', 'bucket', 'a/b/c')],
  ['s3://host.example/bucket/a', place('https://host.example', 'bucket', 'a')],
  ['s3:s3.amazonaws.com/bucket/a', place(null, 'bucket', 'a', aws(null))],
  ['s3:s3.eu-west-1.amazonaws.com/bucket', place(null, 'bucket', '', aws('eu-west-1'))],
  ['s3:https://s3.eu-west-1.amazonaws.com/bucket', place(null, 'bucket', '', aws('eu-west-1'))],
  ['s3:s3-us-west-2.amazonaws.com/bucket', place(null, 'bucket', '', aws('us-west-2'))],
  ['s3:eu-central-1/bucket/a', place(null, 'bucket', 'a', aws('eu-central-1'))],
  ['s3:bucket.s3.eu-west-1.amazonaws.com/a/b', place(null, 'bucket', 'a/b', aws('eu-west-1'))],
  ['s3:my.bucket.s3.amazonaws.com', place(null, 'my.bucket', '', aws(null))],
  [
    's3:s3.dualstack.eu-west-1.amazonaws.com/bucket',
    place('https://s3.dualstack.eu-west-1.amazonaws.com', 'bucket', '', aws('eu-west-1')),
  ],
  ['s3:https://s3.cn-north-1.amazonaws.com.cn/bucket', place(null, 'bucket', '', aws('cn-north-1'))],
];

describe('a location on S3', () => {
  for (const [location, expected] of understood)
    test(`${location} is understood`, () => {
      assert.deepEqual(parseS3Location(location), expected);
    });

  for (const location of [
    's3:',
    's3:/',
    's3://',
    's3:///bucket',
    's3:host',
    's3:https://host',
    's3:https://host/',
    's3:host/bucket/../other',
    's3:host/bucket/..',
  ])
    test(`${location} is refused`, () => {
      assert.throws(
        () => parseS3Location(location),
        (error) => hasCode(error, 'usage'),
      );
    });

  test('with credentials in it is refused without repeating them', () => {
    assert.throws(
      () => parseS3Location('s3:https://me:secret-key@host/bucket'),
      (error) => hasCode(error, 'usage') && !error.message.includes('secret-key'),
    );
  });
});
