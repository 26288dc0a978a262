import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LogReader } from './log-reader.ts';

const log = Buffer.from(Array.from({ length: 1000 }, (_, n) => (n % 255) + 1));

async function* inPieces(start: number, end: number, size: number) {
  for (let at = start; at < end; at += size)
    yield { lsn: BigInt(at), bytes: log.subarray(at, Math.min(end, at + size)) };
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

describe('a reader of the log', () => {
  test('cuts segments out of pieces of any size', async () => {
    for (const size of [1, 7, 100, 130, 1000]) {
      const reader = new LogReader(inPieces(100, 500, size), 100n, 480n);
      assert.deepEqual(await collect(reader.upTo(200n)), log.subarray(100, 200));
      assert.deepEqual(await collect(reader.upTo(300n)), log.subarray(200, 300));
    }
  });

  test('fills the last segment with zeros where nothing was sent', async () => {
    const reader = new LogReader(inPieces(100, 150, 50), 100n, 150n);
    const segment = await collect(reader.upTo(200n));
    assert.deepEqual(segment.subarray(0, 50), log.subarray(100, 150));
    assert.deepEqual(segment.subarray(50), Buffer.alloc(50));
  });

  test('does not take an early end or a gap for the end', async () => {
    await assert.rejects(
      collect(new LogReader(inPieces(100, 150, 50), 100n, 180n).upTo(200n)),
      /ended at 0\/96/,
    );
    await assert.rejects(collect(new LogReader(inPieces(120, 150, 50), 100n, 180n).upTo(200n)), /expected/);
  });
});
