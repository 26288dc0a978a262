import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { storageOf } from '../../../test/storage/part-of-storage.ts';
import { type ErrorCode, hasCode, LifeboatError } from '../../core/errors.ts';
import { createPacer } from '../pacer.ts';
import type { Storage } from '../storage.ts';
import { newTraffic, withCounts } from './count.ts';
import { withLimits } from './limit.ts';
import { type RetryOptions, withRetry } from './retry.ts';
import { withWatchdog } from './watchdog.ts';

/** Fails with these codes in turn, then works. */
function failing(...codes: ErrorCode[]): { storage: Storage; calls: () => number } {
  let calls = 0;
  const next = async (): Promise<Buffer> => {
    const code = codes[calls++];
    if (code) throw new LifeboatError(code, `${code} at call ${calls}`);
    return Buffer.from('done');
  };
  const nothing = async (): Promise<void> => void (await next());
  return { storage: storageOf({ load: next, remove: nothing, save: nothing }), calls: () => calls };
}

const quick: RetryOptions = { pauseMs: [1, 4] };
const raised = (code: ErrorCode) => (error: unknown) => hasCode(error, code);

describe('trying again', () => {
  test('gets over what passes, and tells of it', async () => {
    const { storage, calls } = failing('storage-failed', 'storage-unreachable', 'storage-throttled');
    const told: string[] = [];
    const onRetry: RetryOptions['onRetry'] = ({ attempt, error, delayMs }) => {
      assert.ok(delayMs > 0 && delayMs <= 4);
      told.push(`${attempt} ${error.code}`);
    };
    assert.equal(String(await withRetry(storage, { ...quick, onRetry }).load('config')), 'done');
    assert.equal(calls(), 4);
    assert.deepEqual(told, ['1 storage-failed', '2 storage-unreachable', '3 storage-throttled']);
  });

  const lasting: readonly ErrorCode[] = [
    'storage-missing-file',
    'storage-denied',
    'storage-full',
    'storage-credentials',
    'storage-clock-skew',
    'storage-bucket-missing',
    'storage-settings',
    'internal',
  ];
  for (const code of lasting)
    test(`is not done after ${code}`, async () => {
      const { storage, calls } = failing(code);
      await assert.rejects(withRetry(storage, quick).load('config'), raised(code));
      assert.equal(calls(), 1);
    });

  test('ends at a number of tries, and at its ceiling of time', async () => {
    const never: ErrorCode[] = new Array(1000).fill('storage-failed');
    const few = failing(...never);
    await assert.rejects(
      withRetry(few.storage, { ...quick, attemptsMax: 3 }).load('config'),
      raised('storage-failed'),
    );
    assert.equal(few.calls(), 3);
    const started = performance.now();
    await assert.rejects(withRetry(failing(...never).storage, { ...quick, ceilingMs: 50 }).load('config'));
    assert.ok(performance.now() - started < 1000);
  });

  test('is shorter before the first answer', async () => {
    const options = { pauseMs: [20, 20], ceilingMs: 60_000, firstAnswerMs: 30 } as const;
    const broken = failing(...new Array<ErrorCode>(5).fill('storage-unreachable'));
    const storage = withRetry(broken.storage, options);
    await assert.rejects(storage.load('config'));
    assert.ok(broken.calls() < 5);
    const heard = failing('storage-missing-file', ...new Array<ErrorCode>(5).fill('storage-unreachable'));
    const later = withRetry(heard.storage, options);
    await assert.rejects(later.load('config'), raised('storage-missing-file'));
    await later.load('config');
    assert.equal(heard.calls(), 7);
  });

  test('ends with the signal, at once, and leaves one try for what comes after', async () => {
    const abort = new AbortController();
    const { storage, calls } = failing('storage-failed', 'storage-failed');
    const patient = withRetry(storage, {
      pauseMs: [60_000, 60_000],
      ceilingMs: 10 ** 9,
      signal: abort.signal,
      firstAnswerMs: 10 ** 9,
    });
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(patient.load('config'), raised('cancelled'));
    await assert.rejects(patient.remove('locks/a'), raised('cancelled'));
    await patient.remove('locks/a');
    assert.equal(calls(), 3);
  });

  test('takes an object that is gone for deleted only where an earlier try may have done it', async () => {
    await withRetry(failing('storage-unreachable', 'storage-missing-file').storage, quick).remove('locks/a');
    await assert.rejects(
      withRetry(failing('storage-missing-file').storage, quick).remove('locks/a'),
      raised('storage-missing-file'),
    );
  });
});

describe('the watchdog', () => {
  test('gives up what never ends, after longer the more there is to move', async () => {
    const storage = storageOf({ load: () => new Promise(() => undefined), save: () => sleep(60) });
    const watched = withWatchdog(storage, { stuckMs: 20, bytesPerSecondMin: 10_000 });
    const hold = setTimeout(() => undefined, 10_000); // a promise that never settles keeps no process alive
    await assert.rejects(watched.load('config', { offset: 0, length: 10 }), raised('storage-unreachable'));
    clearTimeout(hold);
    await assert.rejects(watched.save('config', []), raised('storage-unreachable'));
    await watched.save('config', [Buffer.alloc(5_000)]);
  });
});

describe('limits', () => {
  test('hold for operations at once, in the order in which they came', async () => {
    let running = 0;
    let most = 0;
    const order: string[] = [];
    const storage = storageOf({
      async load(key) {
        order.push(key);
        most = Math.max(most, ++running);
        await sleep(2);
        running--;
        if (key === '3') throw new LifeboatError('storage-failed', 'gone');
        return Buffer.alloc(0);
      },
    });
    const limited = withLimits(storage, { connections: 2 });
    const keys = Array.from({ length: 9 }, (_, n) => String(n));
    await Promise.allSettled(keys.map((key) => limited.load(key)));
    assert.equal(most, 2);
    assert.deepEqual(order, keys);
    assert.equal(limited.connections, 2);
  });

  test('hold for bytes in each direction, also where workers would read files themselves', async () => {
    const storage = storageOf({ load: async () => Buffer.alloc(50_000), save: async () => {} });
    const limited = withLimits(storage, { upload: createPacer(500_000), download: createPacer(500_000) });
    const started = performance.now();
    await Promise.all([
      ...[1, 2].map(() => limited.save('data/x', [Buffer.alloc(50_000)])),
      ...[1, 2].map(() => limited.load('data/x')),
    ]);
    const ms = performance.now() - started;
    assert.ok(ms > 90, `100 kB in each direction took ${ms} ms at 500 kB/s`);
    assert.equal(limited.localPath('data/x'), null);
    assert.equal(withLimits(storage, {}).localPath('data/x'), '/a/path');
  });
});

describe('counts', () => {
  test('tell of each operation, and of the bytes that arrived', async () => {
    const traffic = newTraffic('here');
    const { storage } = failing('storage-failed');
    const counted = withRetry(withCounts(storage, traffic), quick);
    await counted.save('data/x', [Buffer.alloc(10), Buffer.alloc(5)]);
    await counted.load('data/x');
    await counted.remove('data/x');
    assert.deepEqual(Object.fromEntries(traffic.requests), { save: 2, load: 1, remove: 1 });
    assert.deepEqual([traffic.bytesSaved, traffic.bytesLoaded], [15, 4]);
  });
});
