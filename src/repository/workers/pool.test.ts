import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memoryStorage } from '../../../test/damage/memory-storage.ts';
import { createCheapRepository } from '../../../test/repositories/cheap.ts';
import { hasCode } from '../../core/errors.ts';
import { openPool } from './pool.ts';

const repository = await createCheapRepository(memoryStorage());
const bytes = Buffer.from('content');

describe('a pool', () => {
  test('starts threads with their first job', async () => {
    const pool = openPool(repository, { workers: 2 });
    try {
      assert.deepEqual([pool.started(0), pool.started(1)], [false, false]);
      const { id, stored } = await pool.run('data', { bytes });
      assert.equal(id.length, 32);
      assert.equal(stored.bytes, bytes.length);
      assert.equal(pool.progressBytes(), bytes.length);
      assert.deepEqual([pool.started(0), pool.started(1)], [true, false]);
    } finally {
      await pool.close();
    }
  });

  test('gives back what a job threw, and goes on', async () => {
    const pool = openPool(repository, { workers: 1 });
    try {
      const wrong = pool.run('data', null as unknown as { bytes: Uint8Array });
      await assert.rejects(wrong, (error) => hasCode(error, 'internal'));
      assert.ok(await pool.run('data', { bytes }));
    } finally {
      await pool.close();
    }
  });

  test('fails all jobs when a thread dies, those to come as well', async () => {
    const broken = { ...repository, master: { ...repository.master, encryption: Buffer.alloc(3) } };
    const pool = openPool(broken, { workers: 2 });
    try {
      const jobs = Array.from({ length: 9 }, () => pool.run('data', { bytes }));
      for (const result of await Promise.allSettled(jobs)) assert.equal(result.status, 'rejected');
      await assert.rejects(pool.run('data', { bytes }));
    } finally {
      await pool.close();
    }
  });

  test('that is cancelled stops storing, and that is closed takes no jobs', async () => {
    const pool = openPool(repository, { workers: 1 });
    pool.cancel();
    await assert.rejects(pool.run('data', { bytes }), (error) => hasCode(error, 'cancelled'));
    await pool.close();
    await assert.rejects(pool.run('data', { bytes }), /closed/);
  });
});
