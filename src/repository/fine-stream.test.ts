import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomOf } from '../../test/random.ts';
import { fineRule } from '../kernels/rabin.ts';
import { createTwinChunker } from '../kernels/twins/rabin.ts';
import type { Id } from '../model/id.ts';
import type { BlobStore } from './blob-store.ts';
import { storeFineStream } from './fine-stream.ts';
import { factsPerPiece, type PageBatch, type PageBatchOutcome, pageFacts } from './workers/protocol.ts';

const polynomial = 0x3da3358b4dc173n;
const content = randomOf('fine stream').bytes(9_000_000);
const hashOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** A store that only hashes what it is given. */
const hashingStore = (delay: () => Promise<void> = async () => {}): BlobStore =>
  ({
    async savePages({ source, facts }: PageBatch) {
      const memory = new Uint8Array((source as { memory: SharedArrayBuffer }).memory);
      const ids: Buffer[] = [];
      for (let at = 0; at < facts.length; at += factsPerPiece) {
        const from = facts[at + pageFacts.offset]!;
        ids.push(hashOf(memory.subarray(from, from + facts[at + pageFacts.bytes]!)));
      }
      await delay();
      return { ids: new Uint8Array(Buffer.concat(ids)) } as unknown as PageBatchOutcome;
    },
  }) as unknown as BlobStore;

function expected(bytes: Uint8Array, averageBytes: number): Id[] {
  const twin = createTwinChunker(polynomial, fineRule(averageBytes));
  const lengths = twin.push(bytes).map(({ length }) => length);
  const last = twin.end();
  if (last) lengths.push(last.length);
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return hashOf(bytes.subarray(at - length, at)).toString('hex') as Id;
  });
}

async function* piecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('a stream is cut finely at the same places in whatever pieces it comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.integer({ min: 3000, max: 2_000_000 }),
      async (length, pieceBytes) => {
        const bytes = content.subarray(0, length);
        const stored = await storeFineStream(
          hashingStore(),
          polynomial,
          8192,
          piecesOf(bytes, pieceBytes),
          () => {},
        );
        assert.equal(stored.size, length);
        assert.deepEqual(stored.content, expected(bytes, 8192));
      },
    ),
    { numRuns: 15 },
  );
});

test('a stream longer than the memory for it is cut all the same, batches in order', async () => {
  let turn = 0;
  const store = hashingStore(() => new Promise((done) => setTimeout(done, turn++ % 3)));
  const stored = await storeFineStream(store, polynomial, 65_536, piecesOf(content, 99_991), () => {});
  assert.deepEqual(stored.content, expected(content, 65_536));
});

test('what cannot be stored ends the reading', async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read++;
      yield content.subarray(0, 1_000_000);
    }
  }
  const store = { savePages: () => Promise.reject(new Error('no room')) } as unknown as BlobStore;
  await assert.rejects(
    storeFineStream(store, polynomial, 8192, endless(), () => {}),
    /no room/,
  );
  assert.ok(read < 10);
});
