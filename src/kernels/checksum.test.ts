import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNativeChecksum } from './checksum.ts';

const withoutNative = process.env.LIFEBOAT_NATIVE === '0';

test('XXH64 answers its published vectors', () => {
  const checksum = createNativeChecksum();
  if (withoutNative) return assert.equal(checksum, null);
  assert.ok(checksum, 'this Node exports XXH64');
  assert.equal(checksum(Buffer.alloc(0)), 0xef46db3751d8e999n);
  assert.equal(checksum(Buffer.from('a')), 0xd24ec4f1a98c6e5bn);
  assert.equal(checksum(Buffer.from('abc')), 0x44bc2cf5ad770999n);
});

test('one changed bit changes the checksum', () => {
  const checksum = createNativeChecksum();
  if (!checksum) return assert.ok(withoutNative, 'only LIFEBOAT_NATIVE=0 takes it away');
  const data = Buffer.alloc(4099, 7);
  const before = checksum(data);
  data[4000]! ^= 4;
  assert.notEqual(checksum(data), before);
});
