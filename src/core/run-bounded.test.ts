import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { runBounded } from './run-bounded.ts';

/** Tasks that count how many of them run at once. */
function tasks(number: number, work: (task: number) => void = () => undefined) {
  let started = 0;
  let running = 0;
  const seen = { most: 0, ended: 0 };
  const next = (): Promise<void> | null => {
    if (started === number) return null;
    const task = started++;
    seen.most = Math.max(seen.most, ++running);
    return (async () => {
      await turn();
      running--;
      seen.ended++;
      work(task);
    })();
  };
  return { next, seen };
}

describe('running bounded', () => {
  test('runs every task, and never more than the limit at once', async () => {
    const { next, seen } = tasks(10);
    await runBounded(3, next);
    assert.deepEqual(seen, { most: 3, ended: 10 });
  });

  test('asks again for tasks that others have brought', async () => {
    const waiting = [3];
    let done = 0;
    await runBounded(2, () => {
      const more = waiting.pop();
      if (more === undefined) return null;
      return turn().then(() => {
        done++;
        for (let n = 0; n < more; n++) waiting.push(more - 1);
      });
    });
    assert.equal(done, 1 + 3 + 6 + 6);
  });

  test('starts nothing after a failure, and throws the first once the running tasks have ended', async () => {
    const { next, seen } = tasks(10, (task) => {
      if (task >= 1) throw new Error(`task ${task}`);
    });
    await assert.rejects(runBounded(3, next), /task 1/);
    assert.ok(seen.ended <= 4);
  });

  test('stops with the reason of the signal', async () => {
    const { next, seen } = tasks(10);
    await assert.rejects(runBounded(3, next, AbortSignal.abort(new Error('no more'))), /no more/);
    assert.equal(seen.ended, 0);
  });
});
