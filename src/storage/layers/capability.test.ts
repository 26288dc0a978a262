import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuse, storageOf } from '../../../test/storage/part-of-storage.ts';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Archive } from '../archive.ts';
import type { Storage } from '../storage.ts';
import { withLimits } from './limit.ts';
import { withRetry } from './retry.ts';
import { withWatchdog } from './watchdog.ts';

const storageWith = (archive: Partial<Archive>): Storage =>
  storageOf({
    archive: { list: refuse, state: refuse, request: refuse, mark: refuse, setMark: refuse, ...archive },
  });

test('capabilities of a storage are tried again like its own methods, with their arguments', async () => {
  let calls = 0;
  const { archive } = withRetry(
    storageWith({
      async mark(key, tag) {
        if (calls++ < 2) throw new LifeboatError('storage-throttled', 'slower, please');
        return `${tag} of ${key}`;
      },
    }),
    { pauseMs: [1, 2] },
  );
  assert.equal(await archive!.mark('data/aa/a', 'tag'), 'tag of data/aa/a');
  assert.equal(calls, 3);
});

test('capabilities of a storage are given up by the watchdog, and wait their turn', async () => {
  const stuck = withWatchdog(storageWith({ state: () => new Promise(() => undefined) }), { stuckMs: 20 });
  await assert.rejects(stuck.archive!.state('a'), (error) => hasCode(error, 'storage-unreachable'));
  let running = 0;
  let most = 0;
  const limited = withLimits(
    storageWith({
      async mark() {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        return null;
      },
    }),
    { connections: 2 },
  );
  await Promise.all(Array.from({ length: 6 }, () => limited.archive!.mark('a', 'b')));
  assert.equal(most, 2);
});

test('storages without capabilities have none in layers either', () => {
  const { archive: _, ...plain } = storageWith({});
  const layered = withRetry(withLimits(withWatchdog(plain, { stuckMs: 1 }), {}));
  assert.ok(!('archive' in layered) && !('bucket' in layered));
});
