import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { LargeReadSocket, Slabs } from './large-reads.ts';

const chunkBytes = 300 * 1024;

describe('memory for large reads', () => {
  const isAll = (chunk: Buffer, value: number): boolean => chunk.equals(Buffer.alloc(chunk.length, value));
  const fill = (slabs: Slabs, value: number): Buffer => {
    slabs.next().fill(value, 0, chunkBytes);
    return slabs.filled(chunkBytes);
  };

  test('is used again once all chunks of it were given back, and never before', () => {
    const slabs = new Slabs();
    const kept = fill(slabs, 1);
    const memories = new Set([kept.buffer]);
    for (let value = 2; value < 50; value++) {
      const chunk = fill(slabs, value);
      memories.add(chunk.buffer);
      assert.ok(isAll(chunk, value));
      slabs.release(chunk);
      slabs.release(chunk);
    }
    assert.ok(isAll(kept, 1));
    assert.ok(memories.size <= 3, `${memories.size} slabs`);
  });

  test('is new where nothing is given back', () => {
    const slabs = new Slabs();
    const chunks = Array.from({ length: 12 }, (_, value) => fill(slabs, value));
    for (const [value, chunk] of chunks.entries()) assert.ok(isAll(chunk, value));
  });
});

test('a socket with large reads gives all bytes in order, also when it is paused and its memory is used again', async () => {
  const totalBytes = 8 * 1024 * 1024;
  const server = createServer((socket) => {
    const block = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < totalBytes; at += block.length) {
      for (let n = 0; n < block.length; n += 4) block.writeUInt32LE((at + n) / 4, n);
      socket.write(Buffer.from(block));
    }
    socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = new LargeReadSocket();
  let total = 0;
  let wrong = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let n = (4 - (total % 4)) % 4; n + 4 <= chunk.length; n += 4)
      if (chunk.readUInt32LE(n) !== (total + n) / 4) wrong++;
    total += chunk.length;
    socket.slabs.release(chunk);
    if (total % 7 === 0) {
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    }
  });
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'end');
  socket.destroy();
  server.close();
  assert.deepEqual({ total, wrong }, { total: totalBytes, wrong: 0 });
});
