import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomOf } from '../../test/random.ts';
import { createChunker } from '../kernels/rabin.ts';
import type { Id } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';
import { storeStream } from './stream.ts';

const polynomial = 0x3da3358b4dc173n;
const content = randomOf('stream').bytes(6_000_000);
content.fill(0, 1_000_000, 2_500_000);

const idOf = (bytes: Uint8Array): Id => createHash('sha256').update(bytes).digest('hex') as Id;

function chunksOfFile(bytes: Buffer): Id[] {
  const chunker = createChunker(polynomial);
  chunker.input.set(bytes);
  const ids: Id[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = chunker.nextCut(start, bytes.length, true);
    ids.push(idOf(bytes.subarray(start, end)));
    start = end;
  }
  return ids;
}

const storeOf = (saveData: (bytes: Uint8Array) => Promise<Id>): BlobStore => ({ saveData }) as BlobStore;

async function* piecesOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('a stream is cut where a file is, in whatever pieces it comes', async () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 70_000 }), fc.integer({ min: 60_000, max: 5_000_000 }));
  const sizes = fc
    .array(size, { minLength: 1, maxLength: 8 })
    .filter((list) => list.reduce((a, b) => a + b) / list.length > 5000);
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 0, max: content.length }), async (pieces, length) => {
      const bytes = content.subarray(0, length);
      let told = 0;
      const store = storeOf(async (chunk) => idOf(chunk));
      const stored = await storeStream(store, polynomial, piecesOf(bytes, pieces), (total) => {
        told = total;
      });
      assert.equal(stored.size, length);
      assert.equal(told, length);
      assert.deepEqual(stored.content, chunksOfFile(bytes));
    }),
    { numRuns: 15 },
  );
});

test('a stream longer than the memory for it is cut all the same', async () => {
  const long = Buffer.concat([content, content, content, content]);
  const ids: Id[] = [];
  const store = storeOf(async (chunk) => idOf(chunk));
  const { content: found, size } = await storeStream(store, polynomial, piecesOf(long, [999_983]), () => {});
  assert.equal(size, long.length);
  // As the memory of one chunker holds 16 MiB, what a file would give is looked up in two parts.
  for (let start = 0; start < long.length; ) {
    const window = long.subarray(start, start + 10_000_000);
    const chunker = createChunker(polynomial);
    chunker.input.set(window);
    const end = chunker.nextCut(0, window.length, true);
    ids.push(idOf(window.subarray(0, end)));
    start += end;
  }
  assert.deepEqual(found, ids);
});

test('few chunks are under way at once, and they keep their order', async () => {
  let underWay = 0;
  let most = 0;
  const store = storeOf(async (chunk) => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setTimeout(resolve, chunk.length % 7));
    underWay--;
    return idOf(chunk);
  });
  const long = Buffer.concat([content, content]);
  const { content: found } = await storeStream(store, polynomial, piecesOf(long, [long.length]), () => {});
  assert.ok(most > 1 && most <= 6, String(most));
  assert.equal(found[0], chunksOfFile(long.subarray(0, 10_000_000))[0]);
});

test('a stream is left as soon as what it gave cannot be stored', async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      taken++;
      yield content;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const full = new Error('no space left');
  const store = storeOf(async () => {
    throw full;
  });
  await assert.rejects(
    storeStream(store, polynomial, endless(), () => {}),
    full,
  );
  assert.ok(taken < 5);
});

test('a stream that fails fails the storing', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield content;
    throw new Error('broke off');
  }
  await assert.rejects(
    storeStream(
      storeOf(async (chunk) => idOf(chunk)),
      polynomial,
      broken(),
      () => {},
    ),
    /broke off/,
  );
});
