import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createTableMemory, openTable, pendingPack } from './table.ts';

const idOf = (n: number): Buffer => createHash('sha256').update(String(n)).digest();

test('every added blob is found again after many growths', () => {
  const table = openTable(createTableMemory());
  const total = 100_000;
  for (let n = 0; n < total; n++)
    table.add('data', idOf(n), { pack: n % 1000, offset: n, length: 7, uncompressedLength: n + 1 });
  assert.equal(table.count(), total);
  for (let n = 0; n < total; n += 7) {
    const entry = table.find('data', idOf(n));
    assert.deepEqual(table.locationOf(entry), {
      pack: n % 1000,
      offset: n,
      length: 7,
      uncompressedLength: n + 1,
    });
  }
  assert.equal(table.find('tree', idOf(1)), -1, 'a data blob is no tree blob');
  assert.equal(table.find('data', idOf(total)), -1);
});

test('a blob in two packs has two entries, the same place twice has one', () => {
  const table = openTable(createTableMemory());
  const at = (pack: number) => ({ pack, offset: 0, length: 50, uncompressedLength: 0 });
  table.add('tree', idOf(1), at(1));
  table.add('tree', idOf(1), at(2));
  table.add('tree', idOf(1), at(1));
  assert.equal(table.count(), 2);
  assert.deepEqual(
    table.findAll('tree', idOf(1)).map((entry) => table.packOf(entry)),
    [1, 2],
  );
});

test('an index costs at most 64 bytes a blob once it is large', () => {
  const memory = createTableMemory();
  const table = openTable(memory);
  const id = Buffer.alloc(32);
  const total = 3_000_000;
  for (let n = 0; n < total; n++) {
    id.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 0);
    id.writeUInt32LE(n, 4);
    table.add('data', id, { pack: 0, offset: n, length: 1, uncompressedLength: 0 });
  }
  const bytes = 48 * total + memory.slots.byteLength;
  assert.ok(bytes / total <= 64, `${bytes / total} bytes a blob`);
});

test('threads that claim the same blobs at once claim each exactly once', async () => {
  const memory = createTableMemory();
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { createHash } from 'node:crypto';
    const { openTable } = await import(workerData.module);
    const table = openTable(workerData.memory);
    let claimed = 0;
    for (let n = 0; n < 30000; n++) if (table.claim('data', createHash('sha256').update(String(n)).digest()) >= 0) claimed++;
    parentPort.postMessage(claimed);`;
  const module = new URL('./table.ts', import.meta.url).href;
  const counts = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<number>((resolve, reject) => {
          const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
          const worker = new Worker(url, { workerData: { memory, module } });
          worker.on('message', resolve);
          worker.on('error', reject);
        }),
    ),
  );
  assert.equal(
    counts.reduce((a, b) => a + b),
    30_000,
  );
  const table = openTable(memory);
  assert.equal(table.count(), 30_000);
  for (let n = 0; n < 30_000; n++) assert.equal(table.packOf(table.find('data', idOf(n))), pendingPack);
});
