import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MemoryStorage, memoryStorage } from '../../../test/damage/memory-storage.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';
import { withPresence } from './present.ts';
import { sampleEvery, withProof } from './prove.ts';

const content = [Buffer.from('some '), Buffer.from('content')];

/** A storage that says it kept what it did not. */
function lying(change: (memory: MemoryStorage, key: string) => void): Storage {
  const memory = memoryStorage();
  return {
    ...memory,
    async save(key, parts, facts) {
      await memory.save(key, parts, facts);
      change(memory, key);
    },
  };
}

const lost = lying((memory, key) => void memory.objects.delete(key));
const short = lying((memory, key) => void memory.objects.set(key, Buffer.from('some')));
const other = lying((memory, key) => void memory.objects.set(key, Buffer.from('some c0ntent')));

describe('proof of what is saved', () => {
  for (const mode of ['list', 'read'] as const) {
    test(`refuses what is lost or short (--verify ${mode})`, async () => {
      for (const key of ['index/x', 'data/aa/x', 'lifeboat/journal/x']) {
        for (const storage of [lost, short]) {
          const proving = withProof(storage, mode).storage;
          await assert.rejects(proving.save(key, content), { code: 'copy-unproven' });
        }
      }
    });
  }

  test('of content is for all with `read`; with `list` for a sample of packs, and all that is small', async () => {
    const all = withProof(other, 'read').storage;
    const some = withProof(other, 'list').storage;
    for (const storage of [all, some]) {
      await assert.rejects(storage.save('snapshots/x', content), { code: 'copy-unproven' });
      await assert.rejects(storage.save('data/aa/first', content), { code: 'copy-unproven' });
    }
    await assert.rejects(all.save('data/aa/second', content), { code: 'copy-unproven' });
    await some.save('data/aa/second', content);
  });

  test('of what went straight into an archive is its size', async () => {
    const cold = (storage: Storage): Storage => ({
      ...storage,
      load: (key) => Promise.reject(new LifeboatError('storage-archived', `${key} is in an archive`)),
    });
    const { storage, counts } = withProof(cold(memoryStorage()), 'read');
    await storage.save('data/aa/x', content);
    assert.deepEqual(counts(), { objects: 1, bytes: 12, readBack: 0, readBackBytes: 0 });
    await assert.rejects(withProof(cold(short), 'read').storage.save('data/aa/x', content), {
      code: 'copy-unproven',
    });
  });

  test('counts what was proven, and of locks proves nothing', async () => {
    const { storage, counts } = withProof(memoryStorage(), 'list');
    for (let n = 0; n <= sampleEvery; n++) await storage.save(`data/aa/${n}`, content);
    await storage.save('index/x', content);
    await storage.save('locks/x', content);
    assert.deepEqual(counts(), {
      objects: sampleEvery + 2,
      bytes: 12 * (sampleEvery + 2),
      readBack: 3,
      readBackBytes: 36,
    });
    await withProof(lost, 'read').storage.save('locks/x', content);
  });
});

test('where the config is not there nothing is written and nothing deleted', async () => {
  const memory = memoryStorage();
  const storage = withPresence(memory);
  await assert.rejects(storage.save('data/aa/x', content), { code: 'repository-absent' });
  await assert.rejects(storage.remove('data/aa/x'), { code: 'repository-absent' });
  assert.equal(memory.objects.size, 0);
  await memory.save('config', content);
  await storage.save('data/aa/x', content);
  await storage.remove('data/aa/x');
});
