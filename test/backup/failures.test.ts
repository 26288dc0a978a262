import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, truncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { commandSource } from '../../src/app/stream-source.ts';
import { type ErrorCode, hasCode, LifeboatError } from '../../src/core/errors.ts';
import type { BackupRequest } from '../../src/engine/backup/backup.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { backUp } from '../repositories/backup.ts';
import { testPassword } from '../repositories/cheap.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('failures');
  for (let n = 0; n < 60; n++) sandbox.write(`${n}`, randomBytes(40_000));
});
afterEach(async () => {
  assert.deepEqual(await sandbox.snapshots(), [], 'no snapshot was made');
  sandbox.remove();
});

/** Backs up with a storage some of whose methods are replaced. */
async function backUpOn(
  change: (storage: Storage) => Partial<Storage>,
  options: Partial<BackupRequest> = {},
): Promise<unknown> {
  const sound = localStorage(sandbox.repository);
  const repository = await openRepository({ ...sound, ...change(sound) }, testPassword);
  return backUp(repository, sandbox.source, { packBytes: 256 * 1024, workers: 2, ...options });
}

const full = new LifeboatError('storage-full', 'no space left');
const fullFrom =
  (saves: number, kind = '') =>
  (storage: Storage): Partial<Storage> => ({
    async save(key, parts) {
      if (key.startsWith(kind) && saves-- <= 0) throw full;
      await storage.save(key, parts);
    },
  });
const isFull = (error: unknown): boolean => error === full;

describe('a backup whose storage is full ends with that', () => {
  for (const saves of [0, 1, 4])
    test(`after ${saves} packs`, () => assert.rejects(backUpOn(fullFrom(saves)), isFull));

  for (const kind of ['index/', 'snapshots/'])
    test(`when it writes to ${kind}`, () => assert.rejects(backUpOn(fullFrom(0, kind)), isFull));

  test('in the middle of a large file', async () => {
    sandbox.write('large', randomBytes(1_000_000));
    truncateSync(sandbox.path('source/large'), 40 * 2 ** 20);
    await assert.rejects(backUpOn(fullFrom(2)), isFull);
  });

  test('while a command goes on and on, which is ended', { timeout: 30_000 }, async () => {
    const stream = commandSource('out', ['cat', '/dev/urandom']);
    await assert.rejects(backUpOn(fullFrom(2), { source: { stream } }), isFull);
  });
});

describe('a backup that is told to end', () => {
  const abortedBy = (reason: unknown): Partial<BackupRequest> => {
    const abort = new AbortController();
    let entries = 0;
    const keepEntry = (): boolean => {
      if (++entries === 30) abort.abort(reason);
      return true;
    };
    return { signal: abort.signal, selection: { keepPath: () => true, keepEntry } };
  };
  const rejectsWith = (work: Promise<unknown>, code: ErrorCode): Promise<void> =>
    assert.rejects(work, (error) => hasCode(error, code));

  test('because its lock is lost says so', async () => {
    const lost = new LifeboatError('lock-lost', 'somebody removed it');
    assert.equal(lost.exitStatus, 11);
    await rejectsWith(
      backUpOn(() => ({}), abortedBy(lost)),
      'lock-lost',
    );
  });

  test('by its user is cancelled', () =>
    rejectsWith(
      backUpOn(() => ({}), abortedBy(undefined)),
      'cancelled',
    ));

  test('because its lock is lost while a command is silent ends the command', {
    timeout: 30_000,
  }, async () => {
    const abort = new AbortController();
    const stream = commandSource('out', ['sh', '-c', 'echo one; exec sleep 100']);
    const lost = new LifeboatError('lock-lost', 'somebody removed it');
    setTimeout(() => abort.abort(lost), 500);
    await rejectsWith(
      backUpOn(() => ({}), { source: { stream }, signal: abort.signal }),
      'lock-lost',
    );
  });
});

test('nothing stays open after backups that failed', async () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  await assert.rejects(backUpOn(fullFrom(0)));
  const before = open();
  for (let n = 0; n < 4; n++) await assert.rejects(backUpOn(fullFrom(n)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(open() <= before, `${before} descriptors, then ${open()}`);
});
