import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dumpChunkBytes } from './chunk-size.ts';
import { dumpPath } from './dump-path.ts';

test('a dump has a file name of its own for every name that a database can have', () => {
  assert.equal(dumpPath('app', 'custom'), 'databases/app.dump');
  assert.equal(dumpPath('We/ird ; name', 'directory'), 'databases/We%2Fird ; name.dir');
  assert.equal(dumpPath('..', 'custom'), 'databases/%2E..dump');
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(name, name, (one, other) => {
      const path = dumpPath(one, 'custom');
      assert.match(path, /^databases\/[^/.][^/]*\.dump$/);
      assert.equal(path === dumpPath(other, 'custom'), one === other);
    }),
  );
});

const mebibyte = 1024 * 1024;

test('chunks of a dump are small in small databases, and their number is bounded in large ones', () => {
  assert.equal(dumpChunkBytes(0, null), 8192);
  assert.equal(dumpChunkBytes(1024 * mebibyte, null), 8192);
  assert.equal(dumpChunkBytes(10_000 * mebibyte, null), 131_072);
  assert.equal(dumpChunkBytes(10_000_000 * mebibyte, null), mebibyte);
});

test('what the last backup used is kept until it is far off', () => {
  assert.equal(dumpChunkBytes(3000 * mebibyte, 8192), 8192);
  assert.equal(dumpChunkBytes(300_000 * mebibyte, 8192), mebibyte);
});
