import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../src/core/errors.ts';
import { removeLocks } from '../../src/repository/lock.ts';
import { listFiles } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { type Random, randomOf, seed } from '../random.ts';
import { runOperation } from './child.ts';
import { type Fault, faultyStorage, type Operation } from './faulty-storage.ts';
import { crashOperations } from './operations.ts';
import { openCopy, type Prepared, prepare } from './prepared.ts';
import { resticFindsItSound, snapshotsAreWhole } from './verify.ts';

/** As the kills, but the process lives on and must say that something went wrong. */
const soak = process.env.LIFEBOAT_SOAK === '1';
const pointsPerOperation = 10;
const pointsAtOnce = 4;
/** An operation that has not ended by then hangs. */
const hangsAfterMs = 30_000;

type PointFault = Exclude<Fault, { kind: 'kill' | 'stale-lists' | 'delay' }>;

/** What can go wrong at an operation. Damage to what is saved is not here: only reading it again can tell. */
function faultsAt({ number: at, name }: Operation, random: Random): PointFault[] {
  const code = 'storage-failed';
  const faults: PointFault[] = [
    { kind: 'fail', at, when: 'before', code },
    { kind: 'gone', at, code },
  ];
  if (name === 'save' || name === 'remove') faults.push({ kind: 'fail', at, when: 'after', code });
  if (name === 'save') faults.push({ kind: 'gone', at, code: 'storage-full' });
  if (name === 'load') {
    faults.push({ kind: 'flip', at, bit: random.below(100_000) });
    faults.push({ kind: 'truncate', at, share: random.below(100) / 100 });
  }
  return faults;
}

let prepared: Prepared;
before(async () => {
  prepared = await prepare('fail');
});
after(() => prepared.remove());

async function failAndRepeat(name: string, fault: PointFault, operation: Operation): Promise<void> {
  const { template, remains, tolerates = () => false } = crashOperations[name]!;
  const path = prepared.copy(template);
  const task = { operation: name, repository: path, source: prepared.source, faults: [] };
  const storage = faultyStorage(localStorage(path), [fault]);
  try {
    const outcome = await Promise.race([
      runOperation(task, storage).then(
        () => 'done' as const,
        (error: unknown) => error,
      ),
      sleep(hangsAfterMs, 'hangs' as const, { ref: false }),
    ]);
    assert.notEqual(outcome, 'hangs');
    const met = storage.operations.length >= fault.at;
    const harmless = !met || tolerates(storage.operations[fault.at - 1]!);
    if (outcome === 'done') assert.ok(harmless, 'ended as if nothing had happened');
    else assert.ok(outcome instanceof LifeboatError && outcome.code !== 'internal', String(outcome));

    await snapshotsAreWhole(path, prepared, remains(prepared));
    await resticFindsItSound(path);
    const locks = await listFiles(localStorage(path), 'locks');
    const couldUnlock = fault.kind !== 'gone' && !operation.key.startsWith('locks/');
    if (couldUnlock && met) assert.deepEqual(locks, [], 'a failure leaves no lock behind');
    await removeLocks(await openCopy(path), true);

    await runOperation(task);
    await snapshotsAreWhole(path, prepared, remains(prepared));
    await resticFindsItSound(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

describe(`an operation whose storage fails says so and harms nothing (LIFEBOAT_SEED=${seed})`, () => {
  for (const name of Object.keys(crashOperations)) {
    test(name, async (t) => {
      const path = prepared.copy(crashOperations[name]!.template);
      const storage = faultyStorage(localStorage(path), []);
      await runOperation({ operation: name, repository: path, source: prepared.source, faults: [] }, storage);
      const random = randomOf(`fail ${name}`);
      const all = storage.operations.flatMap((operation) =>
        faultsAt(operation, random).map((fault) => ({ fault, operation })),
      );
      const waiting = soak ? [...all] : random.sample(all, pointsPerOperation);
      t.diagnostic(
        `${storage.operations.length} storage operations, ${waiting.length} of ${all.length} faults`,
      );
      const runSome = async (): Promise<void> => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const { fault, operation } = next;
          await failAndRepeat(name, fault, operation).catch((error: unknown) => {
            throw new Error(`${JSON.stringify(fault)} at ${operation.name} ${operation.key}`, {
              cause: error,
            });
          });
        }
      };
      await Promise.all(Array.from({ length: pointsAtOnce }, runSome));
    });
  }
});
