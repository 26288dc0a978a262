import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thawStateOf } from './archive.ts';

test('the state of an object is told by its class and the header x-amz-restore', () => {
  const until = 'Fri, 21 Dec 2012 00:00:00 GMT';
  const cases = [
    ['STANDARD', undefined, 'readable', null],
    ['GLACIER_IR', undefined, 'readable', null],
    ['GLACIER', undefined, 'none', null],
    ['DEEP_ARCHIVE', 'ongoing-request="true"', 'ongoing', null],
    ['GLACIER', `ongoing-request="false", expiry-date="${until}"`, 'restored', Date.parse(until)],
    ['GLACIER', 'ongoing-request="false"', 'restored', null],
  ] as const;
  for (const [storageClass, restore, state, untilMs] of cases)
    assert.deepEqual(thawStateOf(storageClass, restore), { storageClass, state, untilMs });
});
