import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createCheapRepository } from '../../test/repositories/cheap.ts';
import { type ErrorCode, hasCode, LifeboatError } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import { formatMilliseconds } from '../model/time.ts';
import { localStorage } from '../storage/local/local.ts';
import type { Storage } from '../storage/storage.ts';
import { keyOf } from './layout.ts';
import { acquireLock, isStale, type LockFile, readLocks, removeLocks, withLock } from './lock.ts';
import { listFiles, type Repository } from './repository.ts';
import { unpackedFiles } from './unpacked.ts';

const folder = mkdtempSync(join(tmpdir(), 'locks-'));
let sound: Repository;
let underWay = 0;

/** A storage that tells how much it has to do, so that a test with a mocked clock can wait for a real disk. */
function counted(storage: Storage): Storage {
  const count = <A extends unknown[], T>(work: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      underWay++;
      try {
        return await work(...args);
      } finally {
        underWay--;
      }
    };
  };
  const { create, save, load, size, list, remove } = storage;
  return {
    ...storage,
    create: count(create),
    save: count(save),
    load: count(load),
    size: count(size),
    list: count(list),
    remove: count(remove),
  };
}

before(async () => {
  sound = await createCheapRepository(counted(localStorage(folder)));
});
after(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  await removeLocks(sound, true);
});

// restic asks by this signal whether the owner of a lock lives; without a handler the answer is its end.
process.on('SIGHUP', () => undefined);

const minuteMs = 60_000;
/** A process that has ended. */
const deadPid = spawnSync('true').pid;

const lockFile = (changes: Partial<LockFile> = {}): LockFile => ({
  time: formatMilliseconds(Date.now()),
  exclusive: false,
  hostname: 'elsewhere',
  username: 'somebody',
  pid: 1,
  ...changes,
});
const leaveLock = (changes: Partial<LockFile> = {}): Promise<Id> =>
  sound.files.save('locks', Buffer.from(JSON.stringify(lockFile(changes))));
const lockIds = async (): Promise<Id[]> => (await listFiles(sound.storage, 'locks')).map(({ id }) => id);
const raised =
  (code: ErrorCode, exit = 11) =>
  (error: unknown) =>
    hasCode(error, code) && error.exitStatus === exit;

/** The repository on a storage of which some methods are replaced. */
function withStorage(changes: Partial<Storage>): Repository {
  const storage = { ...sound.storage, ...changes };
  return { ...sound, storage, files: unpackedFiles(storage, sound.sealer, () => 2) };
}

describe('a lock', () => {
  test('that is shared admits other shared ones and refuses exclusive ones', async () => {
    const first = await acquireLock(sound, { exclusive: false });
    const second = await acquireLock(sound, { exclusive: false });
    await assert.rejects(acquireLock(sound, { exclusive: true }), raised('repository-locked'));
    assert.equal((await lockIds()).length, 2, 'the refused one leaves nothing');
    await first.release();
    await second.release();
    await withLock(sound, { exclusive: true }, async () => {
      assert.equal((await lockIds()).length, 1);
    });
    assert.deepEqual(await lockIds(), []);
  });

  test('that is exclusive refuses every other one, and says who holds it', async () => {
    await withLock(sound, { exclusive: true }, async () => {
      for (const exclusive of [true, false]) {
        await assert.rejects(acquireLock(sound, { exclusive }), (error: unknown) => {
          assert.ok(raised('repository-locked')(error));
          assert.match(
            String(error),
            new RegExp(`exclusively locked by PID ${process.pid} on ${hostname()}`),
          );
          return true;
        });
      }
    });
  });

  test('is had by one at most of many who want it exclusively at once', async () => {
    const wanted = await Promise.allSettled(
      Array.from({ length: 5 }, () => acquireLock(sound, { exclusive: true })),
    );
    const held = wanted.filter((one) => one.status === 'fulfilled');
    assert.ok(held.length <= 1);
    for (const { value } of held) await value.release();
    assert.deepEqual(await lockIds(), []);
  });

  test('is given back when the work fails', async () => {
    const failing = withLock(sound, { exclusive: true }, async () => {
      throw new LifeboatError('storage-full', 'as if');
    });
    await assert.rejects(failing, raised('storage-full', 1));
    assert.deepEqual(await lockIds(), []);
  });

  test('is waited for, which is told once, until the time is over', async () => {
    const held = await acquireLock(sound, { exclusive: true });
    let told = 0;
    const waiting = acquireLock(sound, { exclusive: false, retryForMs: 20_000, onWait: () => told++ });
    await assert.rejects(
      acquireLock(sound, { exclusive: false, retryForMs: 50 }),
      raised('repository-locked'),
    );
    await held.release();
    await (await waiting).release();
    assert.equal(told, 1);
  });

  test('is not waited for any longer once the signal says so', async () => {
    await leaveLock({ exclusive: true });
    const abort = new AbortController();
    const waiting = acquireLock(sound, { exclusive: false, retryForMs: 60_000, signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    await assert.rejects(waiting, { name: 'AbortError' });
  });

  test('is what restic takes it for', async () => {
    const restic = (...args: string[]) =>
      spawnSync('restic', ['-r', folder, '--no-cache', ...args], {
        env: { PATH: process.env.PATH, RESTIC_PASSWORD: 'test' },
        encoding: 'utf8',
      });
    await withLock(sound, { exclusive: false }, async () => {
      const refused = restic('prune');
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, new RegExp(`locked by PID ${process.pid} on ${hostname()}`));
      assert.equal(restic('snapshots').status, 0, 'reading is shared');
      assert.equal(restic('unlock').status, 0);
      assert.equal((await lockIds()).length, 1, 'it is not stale');
    });
    assert.equal(restic('prune').status, 0);
  });
});

describe('a stale lock', () => {
  const cases: readonly [string, Partial<LockFile>, boolean][] = [
    ['of a process of this host that has ended', { hostname: hostname(), pid: deadPid }, true],
    ['of a process of this host that lives', { hostname: hostname(), pid: 1 }, false],
    ['of this very process', { hostname: hostname(), pid: process.pid }, false],
    ['of another host', { pid: deadPid }, false],
    ['of another host, 29 minutes old', { time: formatMilliseconds(Date.now() - 29 * minuteMs) }, false],
    ['of another host, 31 minutes old', { time: formatMilliseconds(Date.now() - 31 * minuteMs) }, true],
  ];
  for (const [what, changes, stale] of cases) {
    test(`is ${stale ? '' : 'not '}one ${what}`, () => {
      assert.equal(isStale(lockFile(changes)), stale);
    });
  }

  test('still locks, with the advice to unlock, and unlocking leaves the others', async () => {
    const dead = await leaveLock({ exclusive: true, hostname: hostname(), pid: deadPid });
    const alive = await leaveLock();
    await assert.rejects(acquireLock(sound, { exclusive: false }), /lifeboat unlock/);
    assert.equal(await removeLocks(sound, false), 1);
    assert.deepEqual(await lockIds(), [alive]);
    assert.ok(dead !== alive);
    assert.equal(await removeLocks(sound, true), 1);
  });
});

describe('a lock file that cannot be read', () => {
  test('refuses, because it may be anything', async () => {
    const key = keyOf('locks', 'ab'.repeat(32) as Id);
    await sound.storage.save(key, [Buffer.from('no lock')]);
    await assert.rejects(acquireLock(sound, { exclusive: false }), raised('lock-invalid'));
    assert.equal((await lockIds()).length, 1);
  });

  test('is no lock while it is empty: it is being written', async () => {
    await sound.storage.save(keyOf('locks', 'cd'.repeat(32) as Id), []);
    await withLock(sound, { exclusive: true }, async () => {});
  });

  test('is no lock when it vanishes between being listed and being read', async () => {
    const repository = withStorage({
      async list(prefix) {
        const found = await sound.storage.list(prefix);
        return prefix === 'locks/'
          ? [...found, { key: keyOf('locks', 'ef'.repeat(32) as Id), size: 150 }]
          : found;
      },
    });
    assert.deepEqual(await readLocks(repository), { locks: [], unreadable: [] });
  });
});

describe('a lock that is held long', () => {
  /** Lets the timers of `test` run on by some minutes, and the storage do its work each ten seconds. */
  /** Lets mocked minutes pass, and whatever is stored because of them reach the disk. */
  async function pass(clock: { tick(ms: number): void }, minutes: number): Promise<void> {
    for (let step = 0; step < minutes * 6; step++) {
      clock.tick(10_000);
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      for (let idle = 0; idle < 5; idle++) {
        await nextTurn();
        if (underWay > 0) idle = 0;
      }
    }
  }

  test('is refreshed every five minutes, by a new file before the old one goes', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    const steps: string[] = [];
    const repository = withStorage({
      save: (key, parts) => sound.storage.save(key, parts).finally(() => steps.push('save')),
      remove: (key) => sound.storage.remove(key).finally(() => steps.push('remove')),
    });
    const lock = await acquireLock(repository, { exclusive: false });
    const [first] = await lockIds();
    steps.length = 0;
    await pass(t.mock.timers, 4);
    assert.deepEqual(await lockIds(), [first]);
    await pass(t.mock.timers, 2);
    const [second, ...more] = await lockIds();
    assert.deepEqual(more, []);
    assert.notEqual(second, first);
    assert.deepEqual(steps, ['save', 'remove']);
    assert.ok(!lock.signal.aborted);
    await lock.release();
    assert.deepEqual(await lockIds(), []);
  });

  test('is lost when another process removes it, and the work is told', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    const lock = await acquireLock(sound, { exclusive: true });
    await removeLocks(sound, true);
    await pass(t.mock.timers, 6);
    assert.ok(lock.signal.aborted);
    assert.ok(raised('lock-lost')(lock.signal.reason));
    await lock.release();
  });

  test('is lost when the storage is out of reach for too long, not when it is for a moment', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    let reachable = true;
    const repository = withStorage({
      async list(prefix) {
        if (!reachable) throw new LifeboatError('storage-failed', 'out of reach');
        return sound.storage.list(prefix);
      },
    });
    const lock = await acquireLock(repository, { exclusive: true });
    reachable = false;
    await pass(t.mock.timers, 15);
    assert.ok(!lock.signal.aborted, 'it may come back');
    reachable = true;
    await pass(t.mock.timers, 1);
    reachable = false;
    await pass(t.mock.timers, 15);
    assert.ok(!lock.signal.aborted, 'counted from the last refresh');
    await pass(t.mock.timers, 15);
    assert.ok(raised('lock-lost')(lock.signal.reason));
    reachable = true;
    await lock.release();
    assert.deepEqual(await lockIds(), []);
  });

  test('leaves no file behind where an old one could not be deleted at once', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    let deletable = true;
    const repository = withStorage({
      async remove(key) {
        if (!deletable) throw new LifeboatError('storage-failed', 'not now');
        return sound.storage.remove(key);
      },
    });
    const lock = await acquireLock(repository, { exclusive: false });
    deletable = false;
    await pass(t.mock.timers, 6);
    deletable = true;
    await lock.release();
    assert.deepEqual(await lockIds(), []);
  });
});

describe('a lock that is taken early', () => {
  test('of an exclusive kind is there for others before anything is read', async () => {
    const lock = await acquireLock(sound, { exclusive: true, early: true });
    assert.equal((await lockIds()).length, 1);
    await lock.settled;
    await lock.release();
  });

  const early = { exclusive: false, early: true as const };

  test('is there for others soon, and settles', async () => {
    const lock = await acquireLock(sound, early);
    while ((await lockIds()).length === 0) await nextTurn();
    await assert.rejects(acquireLock(sound, { exclusive: true }), raised('repository-locked'));
    await lock.settled;
    await lock.release();
    assert.deepEqual(await lockIds(), []);
  });

  test('does not settle beside an exclusive one, and is gone then', async () => {
    const lock = await acquireLock(sound, early);
    const other = await leaveLock({ exclusive: true });
    await assert.rejects(lock.settled, raised('repository-locked'));
    assert.deepEqual(await lockIds(), [other]);
    await lock.release();
  });

  test('asks to begin again instead, where one is willing to wait', async () => {
    const lock = await acquireLock(sound, { ...early, retryForMs: 1000 });
    await leaveLock({ exclusive: true });
    await assert.rejects(lock.settled, raised('lock-raced'));
    await lock.release();
  });

  test('asks to begin again when index files went away meanwhile', async () => {
    const id = await sound.files.save('index', Buffer.from('{"packs":[]}'));
    const lock = await acquireLock(sound, early);
    assert.deepEqual(
      (await lock.lists!.index).map((file) => file.id),
      [id],
    );
    await sound.storage.remove(keyOf('index', id));
    await assert.rejects(lock.settled, raised('lock-raced'));
    assert.deepEqual(await lockIds(), []);
    await lock.release();
  });
});
