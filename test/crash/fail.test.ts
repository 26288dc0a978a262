import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../src/core/errors.ts';
import { listFiles } from '../../src/repository/repository.ts';
import { type Random, randomOf, seed } from '../random.ts';
import { forgetFaults, localStorage, scriptFaults } from './faulty-local.ts';
import type { Fault, Operation } from './faulty-storage.ts';
import { crashOperations } from './operations.ts';
import { type Prepared, prepare } from './prepared.ts';
import { runCommand } from './run-command.ts';
import { setUp } from './set-up.ts';
import { resticFindsItSound, snapshotsAreWhole } from './verify.ts';

/** As the kills, but the process lives on and must say that something went wrong. */
const soak = process.env.LIFEBOAT_SOAK === '1';
const pointsPerOperation = 5;
const pointsAtOnce = 6;
/** An operation that has not ended by then hangs. */
const hangsAfterMs = 30_000;

type PointFault = Exclude<Fault, { kind: 'kill' | 'stale-lists' | 'delay' }>;

const isAmong = ({ name, key }: Operation, among: string): boolean => `${name} ${key}`.startsWith(among);

/** The operation that met a fault; undefined where none did. */
function metBy(fault: PointFault, operations: readonly Operation[]): Operation | undefined {
  const among = 'among' in fault ? (fault.among ?? '') : '';
  return operations.filter((one) => isAmong(one, among))[fault.at - 1];
}

/** What can go wrong at an operation. Damage to what is saved is not here: only reading it again can tell. */
function faultsAt(
  operation: Operation,
  all: readonly Operation[],
  random: Random,
  damage: boolean,
): PointFault[] {
  const { number: at, name, key } = operation;
  const code = 'storage-failed';
  const faults: PointFault[] = [
    { kind: 'fail', at, when: 'before', code },
    { kind: 'gone', at, code },
  ];
  if (name === 'save' || name === 'remove') faults.push({ kind: 'fail', at, when: 'after', code });
  if (name === 'save') faults.push({ kind: 'gone', at, code: 'storage-full' });
  if (name === 'load' && damage) {
    // Counted among its like: in another run something else may be the operation of that number.
    const among = `load ${key.slice(0, key.indexOf('/') + 1)}`;
    const place = { among, at: all.filter((one) => one.number <= at && isAmong(one, among)).length };
    faults.push({ kind: 'flip', ...place, bit: random.below(100_000) });
    faults.push({ kind: 'truncate', ...place, share: random.below(100) / 100 });
  }
  return faults;
}

let prepared: Prepared;
before(async () => {
  prepared = await prepare('fail');
  process.chdir(prepared.workingFolder);
});
after(() => prepared.remove());

async function failAndRepeat(name: string, fault: PointFault, { key }: Operation): Promise<void> {
  const operation = crashOperations[name]!;
  const { context, expected, atEnd, remove } = setUp(prepared, operation);
  const path = context.repository;
  const storage = scriptFaults(path, [fault]);
  // In a key file much is only a note: who made it, when and where. Opening does not depend on that.
  const isDamage = fault.kind === 'flip' || fault.kind === 'truncate';
  try {
    const outcome = await Promise.race([
      operation.run(context).then(
        () => 'done' as const,
        (error: unknown) => error,
      ),
      sleep(hangsAfterMs, 'hangs' as const, { ref: false }),
    ]);
    forgetFaults(path);
    assert.notEqual(outcome, 'hangs');
    const met = metBy(fault, storage.operations);
    const harmless = !met || operation.tolerates?.(met) || (isDamage && met.key.startsWith('keys/'));
    if (outcome === 'done') assert.ok(harmless, 'ended as if nothing had happened');
    else assert.ok(outcome instanceof LifeboatError && outcome.code !== 'internal', String(outcome));

    if (!operation.repairs) {
      await snapshotsAreWhole(path, prepared, expected);
      await resticFindsItSound(path);
    }
    const couldUnlock = fault.kind !== 'gone' && !key.startsWith('locks/') && !met?.key.startsWith('locks/');
    const locks = await listFiles(localStorage(path), 'locks');
    if (couldUnlock) assert.deepEqual(locks, [], 'a failure leaves no lock behind');
    await runCommand(['unlock', '--remove-all', '--repo', path]);

    await operation.run(context);
    await snapshotsAreWhole(path, prepared, atEnd);
    await resticFindsItSound(path);
  } finally {
    forgetFaults(path);
    remove();
  }
}

describe(`an operation whose storage fails says so and harms nothing (LIFEBOAT_SEED=${seed})`, () => {
  for (const [name, operation] of Object.entries(crashOperations)) {
    test(name, async (t) => {
      const { context, remove } = setUp(prepared, operation);
      const storage = scriptFaults(context.repository, []);
      await operation.run(context);
      remove();
      const random = randomOf(`fail ${name}`);
      const all = storage.operations.flatMap((at) =>
        faultsAt(at, storage.operations, random, !operation.believesDamage).map((fault) => ({ fault, at })),
      );
      const waiting = soak ? [...all] : random.sample(all, operation.isSlow ? 2 : pointsPerOperation);
      t.diagnostic(
        `${storage.operations.length} storage operations, ${waiting.length} of ${all.length} faults`,
      );
      const runSome = async (): Promise<void> => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const { fault, at } = next;
          await failAndRepeat(name, fault, at).catch((error: unknown) => {
            throw new Error(`${JSON.stringify(fault)} at ${at.name} ${at.key}`, {
              cause: error,
            });
          });
        }
      };
      await Promise.all(Array.from({ length: pointsAtOnce }, runSome));
    });
  }
});
