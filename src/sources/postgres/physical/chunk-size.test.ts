import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkBytesFor } from './chunk-size.ts';

const gibibyte = 1024 ** 3;

test('blobs of larger clusters are larger', () => {
  const sizes = [0, 16, 17, 128, 129, 512, 513, 10_000];
  assert.deepEqual(
    sizes.map((size) => chunkBytesFor(size * gibibyte) / 1024),
    [32, 32, 64, 64, 128, 128, 256, 256],
  );
});
