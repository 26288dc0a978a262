import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { listFiles } from '../../src/repository/repository.ts';
import { type Random, randomOf, seed } from '../random.ts';
import { localStorage } from './faulty-local.ts';
import type { Fault, Operation } from './faulty-storage.ts';
import { type CrashOperation, crashOperations } from './operations.ts';
import { type Prepared, prepare } from './prepared.ts';
import { runChild } from './run-child.ts';
import { runCommand } from './run-command.ts';
import { setUp } from './set-up.ts';
import {
  checkFindsItSound,
  type Expectation,
  resticFindsItSound,
  resticRestores,
  snapshotsAreWhole,
} from './verify.ts';

/**
 * Each operation is killed by SIGKILL at its storage operations: before one, after one, and for a save also in
 * the middle. `npm test` takes a sample; with LIFEBOAT_SOAK every point is taken.
 */
const soak = process.env.LIFEBOAT_SOAK === '1';
const pointsPerOperation = 5;
/** Lock acquisition sleeps and children start slowly, so more at once than there are processors. */
const pointsAtOnce = 6;

type KillPoint = Extract<Fault, { kind: 'kill' }>;

/** Where to kill. Reads leave no trace, so only with LIFEBOAT_SOAK are the points around them taken as well. */
function killPoints(
  operations: readonly Operation[],
  random: Random,
  { isSlow = false }: CrashOperation,
): KillPoint[] {
  const points: KillPoint[] = [];
  for (const { number: at, name } of operations) {
    const writes = name === 'save' || name === 'remove';
    if (writes || soak) points.push({ kind: 'kill', at, when: 'before' });
    if (name === 'save') points.push({ kind: 'kill', at, when: 'middle' });
    if (writes) points.push({ kind: 'kill', at, when: 'after' });
  }
  return soak ? points : random.sample(points, isSlow ? 2 : pointsPerOperation);
}

let prepared: Prepared;
before(async () => {
  prepared = await prepare('crash');
  process.chdir(prepared.workingFolder);
});
after(() => prepared.remove());

async function killAndRepeat(name: string, point: KillPoint, number: number): Promise<void> {
  const operation = crashOperations[name]!;
  const { context, expected, atEnd, remove } = setUp(prepared, operation);
  const path = context.repository;
  const soundNow = async (expectation: Expectation): Promise<void> => {
    await snapshotsAreWhole(path, prepared, expectation);
    await resticFindsItSound(path);
    await checkFindsItSound(path);
  };
  try {
    const end = await runChild(prepared, { operation: name, faults: [point], ...context });
    // Storage operations that run at once come in another order each time: the last one may be missed.
    assert.ok(end.signal === 'SIGKILL' || end.status === 0, `ended with ${end.status}: ${end.stderr}`);
    if (!operation.repairs) {
      await soundNow(expected);
      const { trees } = expected;
      if (trees.length > 0)
        await resticRestores(path, prepared, prepared.trees.indexOf(trees[number % trees.length]!));
    }
    for (const place of [path, context.other]) {
      await runCommand(['unlock', '--repo', place]);
      assert.deepEqual(await listFiles(localStorage(place), 'locks'), [], 'the stale lock is gone');
    }
    await operation.run(context);
    await soundNow(atEnd);
  } finally {
    remove();
  }
}

describe(`a repository survives a kill at every storage operation (LIFEBOAT_SEED=${seed})`, () => {
  for (const [name, operation] of Object.entries(crashOperations)) {
    test(`of ${name}`, async (t) => {
      const { context, remove } = setUp(prepared, operation);
      const whole = await runChild(prepared, { operation: name, faults: [], ...context });
      assert.equal(whole.status, 0, whole.stderr);
      remove();
      const points = killPoints(whole.operations, randomOf(`kill ${name}`), operation);
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
