import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { checkRepository } from '../../src/engine/check/check.ts';
import { randomOf, seed } from '../random.ts';
import { forgetFaults, scriptFaults } from './faulty-local.ts';
import type { Fault } from './faulty-storage.ts';
import { crashOperations } from './operations.ts';
import { openCopy, type Prepared, prepare } from './prepared.ts';
import { setUp } from './set-up.ts';
import { restic, resticFindsItSound, snapshotsAreWhole } from './verify.ts';

/** Storages that do not fail but misbehave: they are slow, name what is gone, or change what they are given. */
let prepared: Prepared;
before(async () => {
  prepared = await prepare('odd storage');
  process.chdir(prepared.workingFolder);
});
after(() => prepared.remove());

const isOwnError = (error: unknown): boolean => error instanceof LifeboatError && error.code !== 'internal';

describe(`a storage that goes on listing what was removed (LIFEBOAT_SEED=${seed})`, () => {
  for (const name of ['backup command', 'forget --prune', 'tag', 'rewrite --forget', 'repair index']) {
    test(`makes ${name} and the backup after it fail at worst`, async () => {
      const { context, atEnd, remove } = setUp(prepared, crashOperations[name]!);
      try {
        scriptFaults(context.repository, [{ kind: 'stale-lists' }]);
        for (const next of [name, 'backup command'])
          await crashOperations[next]!.run(context).catch((error) =>
            assert.ok(isOwnError(error), String(error)),
          );
        forgetFaults(context.repository);
        await resticFindsItSound(context.repository);
        await snapshotsAreWhole(context.repository, prepared, atEnd);
      } finally {
        forgetFaults(context.repository);
        remove();
      }
    });
  }
});

describe('a storage that is slow now and then', () => {
  for (const name of ['backup', 'prune', 'copy']) {
    test(`only makes ${name} slow`, async () => {
      const random = randomOf(`slow ${name}`);
      const { context, atEnd, remove } = setUp(prepared, crashOperations[name]!);
      const faults = Array.from({ length: 8 }, () => random.below(25)).map(
        (at): Fault => ({ kind: 'delay', at, ms: 50 + random.below(300) }),
      );
      try {
        scriptFaults(context.repository, faults);
        await crashOperations[name]!.run(context);
        forgetFaults(context.repository);
        await resticFindsItSound(context.repository);
        await snapshotsAreWhole(context.repository, prepared, atEnd);
      } finally {
        forgetFaults(context.repository);
        remove();
      }
    });
  }
});

describe(`what a storage changes while it saves it (LIFEBOAT_SEED=${seed})`, () => {
  for (const kind of ['data', 'index', 'snapshots']) {
    for (const how of ['flip', 'truncate'] as const) {
      test(`in ${kind}/ by ${how} is found by both checks`, async () => {
        const random = randomOf(`${how} ${kind}`);
        const { context, remove } = setUp(prepared, crashOperations.backup!);
        const path = context.repository;
        const place = { at: 1, among: `save ${kind}/` };
        // Of a pack, a blob near its beginning: restic 0.14 tries for minutes to read a header that is cut off.
        const fault: Fault =
          how === 'flip'
            ? { kind: how, ...place, bit: random.below(1500) }
            : { kind: how, ...place, share: random.below(99) / 100 };
        try {
          scriptFaults(path, [fault]);
          await crashOperations.backup!.run(context).finally(() => forgetFaults(path));
          // A pack's size shows without reading it, and restic 0.14 tries to read a short one for minutes.
          const readData = how === 'flip' ? ['--read-data'] : [];
          assert.notEqual((await restic(path, 'check', ...readData)).status, 0);
          const { errors } = await checkRepository(
            await openCopy(path),
            { readData: { kind: 'all' } },
            { problem: () => undefined },
          );
          assert.ok(errors > 0);
        } finally {
          remove();
        }
      });
    }
  }
});
