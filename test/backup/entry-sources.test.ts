import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import type { EntryContent, EntryRun, EntrySource, SourceEntry } from '../../src/model/source-entry.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { password } from '../programs.ts';
import { randomOf } from '../random.ts';
import { backUp } from '../repositories/backup.ts';

import {
  backUpEntries,
  byContent,
  file,
  localFile,
  newPath,
  newRepository,
  pages,
  pagesOf,
  write,
} from './entry-sandbox.ts';

describe('a source', () => {
  const bytes: EntryContent = { kind: 'bytes', bytes: Buffer.from('x') };

  test('that fails makes no snapshot, and its error is the one that is told', async () => {
    const repository = await newRepository();
    async function* entries(): AsyncGenerator<SourceEntry> {
      yield file('a', bytes);
      throw new LifeboatError('source-unreadable', 'the connection was lost');
    }
    await assert.rejects(backUpEntries(repository, entries), /the connection was lost/);
    const opened = await openRepository(localStorage(repository), password);
    assert.deepEqual((await listSnapshots(opened, true)).snapshots, []);
  });

  test('whose stream fails cleans up before the error is told', async () => {
    const steps: string[] = [];
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begin');
      throw new Error('stream broke');
    }
    for (const chunking of [pages, byContent]) {
      async function* entries(): AsyncGenerator<SourceEntry> {
        try {
          yield file('a', { kind: 'stream', bytes: broken(), chunking });
        } finally {
          await new Promise((resolve) => setTimeout(resolve, 20));
          steps.push('cleaned up');
        }
      }
      await assert.rejects(backUpEntries(await newRepository(), entries), /stream broke/);
    }
    assert.deepEqual(steps, ['cleaned up', 'cleaned up']);
  });

  for (const where of ['entries', 'stream'] as const)
    test(`that waits in its ${where} ends when the backup is cancelled`, async () => {
      const cancel = new AbortController();
      let cleanedUp = false;
      async function* waiting(signal: AbortSignal): AsyncGenerator<Uint8Array> {
        yield Buffer.from('begin');
        cancel.abort();
        await new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      }
      async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
        try {
          yield file('a', bytes);
          if (where === 'stream')
            yield file('b', { kind: 'stream', bytes: waiting(run.signal), chunking: pages });
          for await (const _ of waiting(run.signal));
        } finally {
          cleanedUp = true;
        }
      }
      const backup = backUpEntries(await newRepository(), entries, { signal: cancel.signal });
      await assert.rejects(backup, { code: 'cancelled' });
      assert.ok(cleanedUp);
    });

  test('learns from `settled` that the storing failed, and that error is told', async () => {
    const repository = await newRepository();
    const storage = localStorage(repository);
    const full: typeof storage = {
      ...storage,
      save: (key, parts) =>
        key.startsWith('data/') ? Promise.reject(new Error('disk full')) : storage.save(key, parts),
    };
    const opened = await openRepository(full, password);
    let learned: unknown;
    async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
      const path = write(newPath('large'), randomOf('full').bytes(3_000_000));
      try {
        for (let n = 0; n < 1000; n++) {
          yield file(`f${n}`, localFile(path, 3_000_000, pagesOf(8192 * (n + 1))));
          await run.settled();
        }
      } catch (error) {
        learned = error;
        throw error;
      } finally {
        learned ??= 'left';
      }
    }
    const source: EntrySource = { paths: ['/x'], entries, tags: () => [] };
    await assert.rejects(backUp(opened, '', { source: { entries: source }, parent: null }), /disk full/);
    assert.ok(learned);
  });

  for (const [what, paths] of [
    ['twice', ['a/b', 'a/b']],
    ['below a file', ['a', 'a/b']],
    ['with an empty part', ['a//b']],
    ['that leads out', ['a/../../b']],
    ['with a slash before it', ['/a']],
  ] as const)
    test(`that names a path ${what} is refused`, async () => {
      const entries = paths.map((path) => file(path, bytes));
      await assert.rejects(backUpEntries(await newRepository(), entries), { code: 'internal' });
    });

  test('of nothing makes no snapshot', async () => {
    await assert.rejects(backUpEntries(await newRepository(), []), { code: 'source-unreadable' });
  });

  test('of a hundred thousand small files is stored in seconds', async () => {
    const content = Buffer.alloc(2000);
    async function* entries(): AsyncGenerator<SourceEntry> {
      for (let n = 0; n < 100_000; n++) {
        content.writeUInt32LE(n % 5000, 0);
        yield file(`base/${n % 20}/${n}`, { kind: 'bytes', bytes: content });
      }
    }
    const started = performance.now();
    const report = await backUpEntries(await newRepository(), entries, { packBytes: 4 * 1024 * 1024 });
    assert.equal(report.summary.files_new, 100_000);
    assert.equal(report.summary.data_blobs, 5000);
    assert.ok(performance.now() - started < 20_000, `${performance.now() - started} ms`);
  });
});
