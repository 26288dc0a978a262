import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dumpChunkBytes, keepsChunkBytes } from './chunk-size.ts';

const mebibyte = 1024 * 1024;

test('chunks of a dump are small in small databases, and their number is bounded in large ones', () => {
  assert.equal(dumpChunkBytes(0, 3), 8192);
  assert.equal(dumpChunkBytes(1024 * mebibyte, 3), 8192);
  assert.equal(dumpChunkBytes(10_000 * mebibyte, 3), 131_072);
  assert.equal(dumpChunkBytes(10_000_000 * mebibyte, 3), mebibyte);
});

test('chunks of data that compresses well are larger, as each costs a fixed amount', () => {
  assert.equal(dumpChunkBytes(0, 20), 65_536);
  assert.equal(dumpChunkBytes(0, 100_000), mebibyte);
});

test('what the last backup used is kept until there would be far too many chunks', () => {
  assert.equal(keepsChunkBytes(3000 * mebibyte, 8192), true);
  assert.equal(keepsChunkBytes(300_000 * mebibyte, 8192), false);
});
