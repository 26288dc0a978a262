import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ByteString } from '../../core/bytestring.ts';
import { type BlobStore, largeFileBytes } from '../../repository/blob-store.ts';
import { type FileBatch, outcomeFactsPerFile } from '../../repository/workers/protocol.ts';
import type { FileStat } from '../../sources/files/stat.ts';
import { createFileQueue, type QueuedFile } from './file-queue.ts';

const fileOf = (name: string, size = 10): QueuedFile => ({
  path: name as ByteString,
  stat: { size, mtimeSec: 1, mtimeNsec: 5e8, ctimeSec: 2, ctimeNsec: 0 } as FileStat,
});

/** A store whose batches end when they are told to. */
function sampleStore(workers = 2) {
  const batches: { batch: FileBatch; end(problem?: Error): void }[] = [];
  const store = {
    pool: { size: workers },
    saveFiles: (batch: FileBatch) =>
      new Promise((resolve, reject) => {
        batches.push({
          batch,
          end(problem) {
            if (problem) return reject(problem);
            const files = batch.facts.length / 3;
            const facts = new Float64Array(files * outcomeFactsPerFile);
            // The n-th file has n blobs of byte n.
            for (let n = 0; n < files; n++) facts[n * outcomeFactsPerFile] = n;
            const ids = Uint8Array.from(
              Array.from({ length: files }, (_, n) => new Array<number>(32 * n).fill(n)).flat(),
            );
            resolve({ ids, facts, problems: [], stored: { blobs: 0, bytes: 0, packedBytes: 0 } });
          },
        });
      }),
  } as unknown as BlobStore;
  return { store, batches };
}

describe('a file queue', () => {
  test('sends files in batches, each with its own outcome', async () => {
    const { store, batches } = sampleStore();
    const done: [string, number][] = [];
    const queue = createFileQueue(
      store,
      ({ path }, { content }) => done.push([path, content!.length / 32]),
      () => {},
    );
    for (const name of ['a', 'b', 'c']) queue.add(fileOf(name));
    assert.equal(batches.length, 0, 'a batch of three waits for more');
    const finished = queue.finish();
    assert.equal(batches[0]!.batch.paths, 'a\0b\0c\0');
    assert.deepEqual([...batches[0]!.batch.facts.slice(0, 3)], [10, 1500, 2000]);
    batches[0]!.end();
    await finished;
    assert.deepEqual(done, [
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ]);
  });

  test('sends a batch when it holds many files or many bytes', () => {
    const { store, batches } = sampleStore();
    const queue = createFileQueue(
      store,
      () => {},
      () => {},
    );
    for (let n = 0; n < 128; n++) queue.add(fileOf(String(n)));
    assert.equal(batches.length, 1);
    queue.add(fileOf('large', 5_000_000));
    assert.equal(batches.length, 2);
  });

  test('has no room while enough is under way', async () => {
    const { store, batches } = sampleStore(1);
    const queue = createFileQueue(
      store,
      () => {},
      () => {},
    );
    let files = 0;
    while (queue.room() === null && files < 100) queue.add(fileOf(String(files++), 5_000_000));
    assert.ok(files > 0 && files < 10);
    let open = false;
    void queue.room()!.then(() => {
      open = true;
    });
    await nextTurn();
    assert.equal(open, false);
    batches[0]!.end();
    await nextTurn();
    assert.equal(open, true);
  });

  test('takes a file that an outcome puts back before it ends', async () => {
    const { store, batches } = sampleStore();
    const done: string[] = [];
    const queue = createFileQueue<QueuedFile>(
      store,
      (file) => {
        done.push(file.path);
        if (done.length < 3) queue.add(file);
      },
      () => {},
    );
    queue.add(fileOf('again'));
    const finished = queue.finish();
    for (let n = 0; n < 3; n++) {
      batches[n]!.end();
      await nextTurn();
    }
    await finished;
    assert.deepEqual(done, ['again', 'again', 'again']);
  });

  test('throws the first failure, wherever it is asked', async () => {
    const { store, batches } = sampleStore(1);
    const queue = createFileQueue(
      store,
      () => {},
      () => {},
    );
    while (queue.room() === null) queue.add(fileOf('x', 5_000_000));
    const room = queue.room()!;
    batches[0]!.end(new Error('first'));
    await assert.rejects(room, /first/);
    for (const { end } of batches.slice(1)) end(new Error('later'));
    await assert.rejects(queue.finish(), /first/);
    assert.throws(() => queue.room(), /first/);
    await queue.settled();
  });

  test('gives large files to all workers, where there are several', () => {
    for (const [workers, expected] of [
      [1, 1],
      [2, 0],
    ] as const) {
      const { store, batches } = sampleStore(workers);
      const large: unknown[] = [];
      Object.assign(store, {
        saveLargeFile: (path: unknown) => {
          large.push(path);
          return new Promise(() => {});
        },
      });
      const queue = createFileQueue(
        store,
        () => {},
        () => {},
      );
      queue.add(fileOf('large', largeFileBytes + 1));
      assert.deepEqual([batches.length, large.length], [expected, 1 - expected]);
    }
  });
});
