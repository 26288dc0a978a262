import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LifeboatError } from '../core/errors.ts';
import type { Storage } from '../storage/storage.ts';
import { withBlockReads } from './block-reads.ts';

const content = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

function countingStorage(): { storage: Storage; reads: () => number; failNext: () => void } {
  let reads = 0;
  let failing = false;
  const refuse = (): never => {
    throw new Error('not used here');
  };
  const storage: Storage = {
    location: 'memory',
    connections: 1,
    create: refuse,
    save: refuse,
    size: refuse,
    list: refuse,
    remove: refuse,
    localPath: () => null,
    async load(_key, range) {
      reads++;
      if (failing) {
        failing = false;
        throw new LifeboatError('storage-failed', 'once');
      }
      return Buffer.from(range ? content.subarray(range.offset, range.offset + range.length) : content);
    },
  };
  return {
    storage,
    reads: () => reads,
    failNext: () => {
      failing = true;
    },
  };
}

test('every range reads as without blocks', async () => {
  const { storage } = countingStorage();
  const cached = withBlockReads(storage);
  for (const [offset, length] of [
    [0, 10],
    [262_140, 10],
    [262_144, 262_144],
    [262_143, 262_144],
    [699_990, 100],
    [800_000, 5],
    [100, 400_000],
  ] as const) {
    const read = await cached.load('data/a', { offset, length });
    assert.ok(read.equals(content.subarray(offset, offset + length)), `${offset}+${length}`);
  }
  assert.ok((await cached.load('data/a')).equals(content));
});

test('neighbours are read once', async () => {
  const { storage, reads } = countingStorage();
  const cached = withBlockReads(storage);
  const ranges = Array.from({ length: 100 }, (_, i) => ({ offset: i * 2000, length: 2000 }));
  await Promise.all(ranges.map((range) => cached.load('data/a', range)));
  assert.equal(reads(), 1);
});

test('a read that failed is tried again', async () => {
  const { storage, failNext } = countingStorage();
  const cached = withBlockReads(storage);
  failNext();
  await assert.rejects(cached.load('data/a', { offset: 0, length: 4 }), { code: 'storage-failed' });
  assert.ok((await cached.load('data/a', { offset: 0, length: 4 })).equals(content.subarray(0, 4)));
});
