import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { checkRepository } from '../../src/engine/check/check.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { memoryStorage } from '../damage/memory-storage.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { emptyTwin, exportOf, importOf, makeSource, memoryOutput, type Source } from './kit.ts';

let source: Source;
before(async () => {
  source = await makeSource();
});

/** All is read, and nothing may be wrong or superfluous. @returns how many blobs no snapshot uses. */
async function assertSound(repository: Repository, snapshots: number): Promise<number> {
  const problems: string[] = [];
  const report = await checkRepository(
    repository,
    { readData: { kind: 'all' }, unused: true },
    { problem: ({ message }) => problems.push(message) },
  );
  assert.deepEqual(problems, []);
  assert.equal(report.snapshots, snapshots);
  return report.unused!.blobs;
}

describe('an export', () => {
  test('holds what its snapshots need, and of other snapshots nothing', async () => {
    const [, latest] = source.snapshots;
    const { volumes, report } = await exportOf(source.repository, [latest!]);
    assert.ok(report.newPacks > 0, 'no pack had to be written anew, so nothing is tried here');
    const twin = await emptyTwin(source);
    const imported = await importOf(volumes, twin.repository);
    assert.deepEqual(
      imported.imported.map(({ id }) => id),
      [latest!.id],
    );
    assert.equal(imported.mode, 'verbatim');
    assert.equal(await assertSound(twin.repository, 1), 0);
  });

  test('takes packs whole where that is asked for', async () => {
    const [, latest] = source.snapshots;
    const { volumes, report } = await exportOf(source.repository, [latest!], { wholePacks: true });
    assert.equal(report.newPacks, 0);
    const twin = await emptyTwin(source);
    await importOf(volumes, twin.repository);
    assert.ok((await assertSound(twin.repository, 1)) > 0);
    for (const key of twin.storage.objects.keys())
      if (key.startsWith('data/')) assert.ok(source.storage.objects.has(key), key);
  });

  test('comes into a repository with another key, which cannot open the original', async () => {
    const { volumes } = await exportOf(source.repository, source.snapshots);
    const other = await createCheapRepository(memoryStorage());
    const report = await importOf(volumes, other);
    assert.equal(report.mode, 're-encrypted');
    assert.equal(report.imported.length, 2);
    await assertSound(other, 2);
    const { snapshots } = await listSnapshots(other);
    assert.deepEqual(
      snapshots.map(({ original, tree }) => [original, tree]),
      source.snapshots.map(({ id, tree }) => [id, tree]),
    );
    const again = await importOf(volumes, other);
    assert.deepEqual([again.imported.length, again.skipped.length, again.packsStored], [0, 2, 0]);
  });

  test('brings nothing twice: not its packs, not what prune has put together anew', async () => {
    const { volumes } = await exportOf(source.repository, source.snapshots);
    const twin = await emptyTwin(source);
    await importOf(volumes, twin.repository);
    const before = new Map(twin.storage.objects);
    const again = await importOf(volumes, twin.repository);
    assert.deepEqual([again.imported.length, again.skipped.length, again.packsStored], [0, 2, 0]);
    assert.deepEqual([...twin.storage.objects.keys()], [...before.keys()]);
    const home = await importOf(
      (await exportOf(source.repository, [source.snapshots[1]!])).volumes,
      source.repository,
    );
    assert.deepEqual([home.imported.length, home.packsStored], [0, 0]);
  });

  test('goes on after it was killed: packs that were stored are not stored again', async () => {
    const { volumes, report } = await exportOf(source.repository, source.snapshots);
    const packs = report.totals.files.data;
    const twin = await emptyTwin(source);
    const { save } = twin.repository.storage;
    let saves = 0;
    const dying = {
      ...twin.repository.storage,
      save: async (...args: Parameters<typeof save>) => {
        if (++saves > packs / 2) throw new LifeboatError('storage-full', 'no more room');
        return save(...args);
      },
    };
    await assert.rejects(importOf(volumes, { ...twin.repository, storage: dying }), { code: 'storage-full' });
    assert.equal(await assertSound(twin.repository, 0), 0);
    const stored = [...twin.storage.objects.keys()].filter((key) => key.startsWith('data/')).length;
    assert.ok(stored > 0 && stored < packs);
    const again = await importOf(volumes, twin.repository);
    assert.equal(again.packsStored, packs - stored);
    assert.equal(await assertSound(twin.repository, 2), 0);
  });

  test('brings back a pack that the repository has lost', async () => {
    const { volumes } = await exportOf(source.repository, source.snapshots);
    const twin = await emptyTwin(source);
    await importOf(volumes, twin.repository);
    const lost = [...twin.storage.objects.keys()].find((key) => key.startsWith('data/'))!;
    twin.storage.objects.delete(lost);
    assert.equal((await importOf(volumes, twin.repository)).packsStored, 1);
    await assertSound(twin.repository, 2);
  });

  test('is given up where a pack is damaged and no other has what is needed of it', async () => {
    const storage = source.storage.copy();
    const key = [...storage.objects.keys()].find((each) => each.startsWith('data/'))!;
    const bytes = Buffer.from(storage.objects.get(key)!);
    bytes[10]! ^= 1;
    storage.objects.set(key, bytes);
    const output = memoryOutput();
    await assert.rejects(exportOf({ ...source.repository, storage }, source.snapshots, { output }), {
      code: 'repository-damaged',
      message: /nothing was exported/,
    });
    assert.ok(output.abandoned);
  });

  test('verifies without a repository, with its own password only', async () => {
    const { volumes } = await exportOf(source.repository, source.snapshots);
    const report = await importOf(volumes, null);
    assert.equal(report.mode, 'verified');
    assert.deepEqual(
      report.snapshots.map(({ id }) => id),
      source.snapshots.map(({ id }) => id),
    );
  });
});

describe('volumes', () => {
  test('are archives each, of at most their size and of whole records; together they are one archive', async () => {
    const recordBytes = 3 * 512;
    const { volumes, report } = await exportOf(source.repository, source.snapshots, {
      volumeBytes: 40 * 1024,
      recordBytes,
    });
    assert.ok(volumes.length >= 2, `${volumes.length}`);
    assert.deepEqual(
      report.volumes.map(({ bytes }) => bytes),
      volumes.map(({ length }) => length),
    );
    const names = (bytes: Buffer): string[] => {
      const { status, stdout, stderr } = spawnSync('tar', ['-t', '-f', '-'], {
        input: bytes,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      assert.equal(stderr, '');
      return stdout.trimEnd().split('\n');
    };
    for (const volume of volumes) {
      assert.ok(volume.length <= 40 * 1024);
      assert.equal(volume.length % recordBytes, 0);
    }
    const each = volumes.map(names);
    assert.deepEqual(names(Buffer.concat(volumes)), each.flat());
    assert.equal(each[0]![1], 'lifeboat/export.json');
    assert.equal(each.at(-1)!.at(-2), 'lifeboat/export.json');
    const twin = await emptyTwin(source);
    const imported = await importOf(volumes, twin.repository);
    assert.equal(imported.volumes, volumes.length);
    await importOf([Buffer.concat(volumes)], twin.repository);
    await assertSound(twin.repository, 2);
  });

  test('too small for a pack are refused before much is written', async () => {
    await assert.rejects(exportOf(source.repository, source.snapshots, { volumeBytes: 12 * 1024 }), {
      code: 'usage',
      message: /has no room for data\//,
    });
  });

  test('that are missing, in the wrong order, twice or of another export are told by name', async () => {
    const options = { volumeBytes: 40 * 1024, recordBytes: 512 };
    const { volumes } = await exportOf(source.repository, source.snapshots, options);
    const { volumes: others } = await exportOf(source.repository, source.snapshots, options);
    const twin = await emptyTwin(source);
    const [first, second] = volumes as [Buffer, Buffer];
    const refused = async (given: readonly Buffer[], message: RegExp): Promise<void> => {
      await assert.rejects(importOf(given, twin.repository), { code: 'export-incomplete', message });
      assert.equal((await listSnapshots(twin.repository)).snapshots.length, 0);
    };
    await refused([], /the input is empty/);
    await refused(volumes.slice(1), /volume 1 of set \w+ is missing: medium 1 brings volume 2/);
    await refused(volumes.slice(0, -1), /is missing: medium \d+ holds volume \d+, and is not the last/);
    await refused(
      [first, first, ...volumes.slice(1)],
      /medium 2 brings volume 1 .* where volume 2 should come/,
    );
    await refused([first, others[1]!, ...volumes.slice(2)], /medium 2 is volume 2 of another export/);
    await refused([second, first, ...volumes.slice(2)], /volume 1 of set/);
  });
});
