import assert from 'node:assert/strict';
import { hasCode } from '../../src/core/errors.ts';
import type { Id } from '../../src/model/id.ts';
import { type BlobIndex, loadIndex } from '../../src/repository/index/blob-index.ts';
import { idOfKey } from '../../src/repository/layout.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { testPassword } from '../repositories/cheap.ts';
import { type Contents, type Lost, lostMark, readContents } from './contents.ts';
import { checkAll, followAdvice } from './follow-advice.ts';
import type { Sample } from './sample.ts';

/** One file of the repository as it is after an accident; null: it is gone. */
export interface Damage {
  readonly key: string;
  readonly bytes: Buffer | null;
  readonly what: string;
}

/** Blobs whose bytes in their pack are no longer what they were. */
function lostBlobs(index: BlobIndex, sample: Sample, { key, bytes }: Damage): Lost {
  const data = new Set<Id>();
  const trees = new Set<Id>();
  const pack = idOfKey(key);
  for (let entry = 0; key.startsWith('data/') && entry < index.table.count(); entry++) {
    if (index.packId(index.table.packOf(entry)) !== pack) continue;
    const { type, id, offset, length } = index.blobAt(entry);
    const before = sample.storage.objects.get(key)!.subarray(offset, offset + length);
    if (bytes?.subarray(offset, offset + length).equals(before)) continue;
    (type === 'tree' ? trees : data).add(id);
  }
  return { data, trees };
}

/** Whatever is read is what was stored, or an error. */
function assertNothingFalse(found: Contents, pristine: Contents): void {
  for (const [time, files] of found) {
    const before = pristine.get(time);
    assert.ok(before, 'a snapshot appeared');
    for (const [path, hash] of files)
      if (!hash.startsWith(lostMark)) assert.equal(hash, before.get(path), `${path} has other content`);
  }
}

/**
 * Asserts that a check finds the damage and that nothing false is read; with `repair` also that the commands
 * which the check advises bring back everything but what the damage itself destroyed.
 */
export async function proveHandled(sample: Sample, damage: Damage, repair: boolean): Promise<void> {
  const storage = sample.storage.copy();
  if (damage.bytes) storage.objects.set(damage.key, damage.bytes);
  else storage.objects.delete(damage.key);

  if (damage.key === 'config') {
    await assert.rejects(openRepository(storage, testPassword), (error) =>
      hasCode(error, 'repository-damaged'),
    );
    return;
  }
  const repository = sample.on(storage);
  const { report } = await checkAll(repository);
  assert.ok(report.errors > 0, 'the check found nothing');

  const pristine = sample.on(sample.storage);
  assertNothingFalse(await readContents(repository), await readContents(pristine));
  if (!repair) return;

  await followAdvice(repository, report);
  const lost = lostBlobs(await loadIndex(pristine), sample, damage);
  const expected = await readContents(pristine, lost);
  if (damage.key.startsWith('snapshots/')) {
    const left = await readContents(repository);
    for (const time of expected.keys()) if (!left.has(time)) expected.delete(time);
    assert.equal(expected.size, 2, 'one snapshot is lost, the others are there');
  }
  assert.deepEqual(await readContents(repository), expected);
}
