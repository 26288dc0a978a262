import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { removeLocks } from '../../src/repository/lock.ts';
import { listFiles } from '../../src/repository/repository.ts';
import { type Random, randomOf, seed } from '../random.ts';
import { runOperation } from './child.ts';
import type { Fault, Operation } from './faulty-storage.ts';
import { crashOperations } from './operations.ts';
import { openCopy, type Prepared, prepare } from './prepared.ts';
import { runChild } from './run-child.ts';
import { resticFindsItSound, resticRestores, snapshotsAreWhole } from './verify.ts';

/**
 * Each operation is killed by SIGKILL at its storage operations: before one, after one, and for a save also in
 * the middle. `npm test` takes a sample; with LIFEBOAT_SOAK every point is taken.
 */
const soak = process.env.LIFEBOAT_SOAK === '1';
const pointsPerOperation = 8;
/** Lock acquisition sleeps and children start slowly, so more at once than there are processors. */
const pointsAtOnce = 4;

type KillPoint = Extract<Fault, { kind: 'kill' }>;

/** Where to kill. Reads leave no trace, so only with LIFEBOAT_SOAK are the points around them taken as well. */
function killPoints(operations: readonly Operation[], random: Random): KillPoint[] {
  const points: KillPoint[] = [];
  for (const { number: at, name } of operations) {
    const writes = name === 'save' || name === 'remove';
    if (writes || soak) points.push({ kind: 'kill', at, when: 'before' });
    if (name === 'save') points.push({ kind: 'kill', at, when: 'middle' });
    if (writes) points.push({ kind: 'kill', at, when: 'after' });
  }
  return soak ? points : random.sample(points, pointsPerOperation);
}

let prepared: Prepared;
before(async () => {
  prepared = await prepare('crash');
});
after(() => prepared.remove());

async function killAndRepeat(name: string, point: KillPoint, generation: number): Promise<void> {
  const { template, remains } = crashOperations[name]!;
  const trees = remains(prepared);
  const path = prepared.copy(template);
  const task = { operation: name, repository: path, source: prepared.source };
  try {
    const end = await runChild({ ...task, faults: [point] }, join(prepared.folder, 'compiled'));
    // Storage operations that run at once come in another order each time: the last one may be missed.
    assert.ok(end.signal === 'SIGKILL' || end.status === 0, `ended with ${end.status}: ${end.stderr}`);
    await snapshotsAreWhole(path, prepared, trees);
    await resticFindsItSound(path);
    const restorable = prepared.trees.indexOf(trees[generation % trees.length]!);
    if (restorable >= 0) await resticRestores(path, prepared, restorable);

    await removeLocks(await openCopy(path), false);
    assert.deepEqual(await listFiles((await openCopy(path)).storage, 'locks'), [], 'the stale lock is gone');
    await runOperation({ ...task, faults: [] });
    await snapshotsAreWhole(path, prepared, trees);
    await resticFindsItSound(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

describe(`a repository survives a kill at every storage operation (LIFEBOAT_SEED=${seed})`, () => {
  for (const name of Object.keys(crashOperations)) {
    test(`of ${name}`, async (t) => {
      const path = prepared.copy(crashOperations[name]!.template);
      const whole = await runChild(
        { operation: name, repository: path, source: prepared.source, faults: [] },
        join(prepared.folder, 'compiled'),
      );
      assert.equal(whole.status, 0, whole.stderr);
      const points = killPoints(whole.operations, randomOf(`kill ${name}`));
      t.diagnostic(`${whole.operations.length} storage operations, killed at ${points.length} points`);
      const waiting = [...points.entries()];
      const runSome = async (): Promise<void> => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const [number, point] = next;
          await killAndRepeat(name, point, number).catch((error: unknown) => {
            const { name: what, key } = whole.operations[point.at - 1]!;
            throw new Error(`killed ${point.when} operation ${point.at}, ${what} ${key}`, { cause: error });
          });
        }
      };
      await Promise.all(Array.from({ length: pointsAtOnce }, runSome));
    });
  }
});
