import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { localStorage } from '../../src/storage/local/local.ts';
import { randomOf } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type RunningProgram, startLifeboat, stockRestic } from './lifeboat.ts';

const folder = mkdtempSync(join(tmpdir(), 'signals-'));
const repository = join(folder, 'repository');
const large = join(folder, 'large');
before(async () => {
  await createCheapRepository(localStorage(repository));
  // Holes cost no disk and take long enough to read.
  writeFileSync(large, '');
  truncateSync(large, 20 * 2 ** 30);
});
after(() => rmSync(folder, { recursive: true }));

const namesIn = (kind: string): string[] => {
  try {
    return readdirSync(join(repository, kind));
  } catch {
    // A folder is there from the first file on.
    return [];
  }
};

/** Waits until something is so; fails after 20 seconds. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const start = performance.now(); !isSo(); await sleep(20))
    assert.ok(performance.now() - start < 20_000, `waited in vain until ${what}`);
}

/** A backup that goes on until its standard input ends. */
async function startEndless(): Promise<RunningProgram> {
  const running = startLifeboat(folder, 'backup', '-r', repository, '--stdin', '--stdin-filename', 'pipe');
  running.process.stdin!.on('error', () => undefined); // what a killed program does not read
  running.process.stdin!.write(Buffer.alloc(100_000, 'x'));
  await until('it holds its lock', () => namesIn('locks').length > 0);
  await sleep(400); // the lock has settled and the work has begun
  return running;
}

async function assertSound(): Promise<void> {
  assert.deepEqual(namesIn('locks'), [], 'the lock is gone');
  const { status, stdout, stderr } = await stockRestic(folder, '-r', repository, 'check', '--read-data');
  assert.equal(status, 0, stdout + stderr);
}

describe('a backup that is told to end', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`by ${signal} while it reads a stream ends with 130, without lock and snapshot`, async () => {
      const snapshots = namesIn('snapshots');
      const running = await startEndless();
      running.process.kill(signal);
      const { status, stderr } = await running.end;
      assert.equal(status, 130, stderr);
      assert.deepEqual(namesIn('snapshots'), snapshots);
      await assertSound();
    });

    test(`by ${signal} in the middle of a large file ends with 130, without lock and snapshot`, async () => {
      const snapshots = namesIn('snapshots');
      const running = startLifeboat(folder, 'backup', '-r', repository, large);
      await until('it holds its lock', () => namesIn('locks').length > 0);
      await sleep(700); // so that workers are in the middle of it
      const start = performance.now();
      running.process.kill(signal);
      const { status, stderr } = await running.end;
      assert.equal(status, 130, stderr);
      assert.ok(performance.now() - start < 5_000, 'it ends soon');
      assert.deepEqual(namesIn('snapshots'), snapshots);
      await assertSound();
    });
  }

  test('leaves what it has stored to the next one', async () => {
    const content = randomOf('interrupted').bytes(60_000_000);
    const running = startLifeboat(folder, 'backup', '-r', repository, '--stdin', '--pack-size', '4');
    running.process.stdin!.on('error', () => undefined);
    running.process.stdin!.write(content);
    const packs = (): number =>
      namesIn('data').reduce((sum, name) => sum + namesIn(`data/${name}`).length, 0);
    await until('it has stored some packs', () => packs() >= 6);
    running.process.kill('SIGINT');
    assert.equal((await running.end).status, 130);
    await assertSound();

    const again = startLifeboat(folder, 'backup', '-r', repository, '--stdin', '--json');
    again.process.stdin!.end(content);
    const { status, stdout } = await again.end;
    assert.equal(status, 0);
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as { data_added: number };
    assert.ok(summary.data_added < 45_000_000, `stored ${summary.data_added} bytes again`);
    await assertSound();
  });

  test('by a second SIGINT ends at once', async () => {
    const running = await startEndless();
    running.process.kill('SIGINT');
    running.process.kill('SIGINT');
    assert.equal((await running.end).status, 130);
    for (const name of namesIn('locks')) rmSync(join(repository, 'locks', name));
  });

  test('is not ended by SIGHUP, with which restic asks whether it lives', async () => {
    const snapshots = namesIn('snapshots').length;
    const running = await startEndless();
    running.process.kill('SIGHUP');
    const unlocked = await stockRestic(folder, '-r', repository, 'unlock');
    assert.equal(unlocked.status, 0, unlocked.stderr);
    assert.equal(namesIn('locks').length, 1, 'restic leaves the lock of a living process');
    running.process.stdin!.end('end');
    const { status, stderr } = await running.end;
    assert.equal(status, 0, stderr);
    assert.equal(namesIn('snapshots').length, snapshots + 1);
    await assertSound();
  });
});
