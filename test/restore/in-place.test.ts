import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { hasCode } from '../../src/core/errors.ts';
import { createRestoreSelection } from '../../src/engine/restore/selection.ts';
import { verifyRestored } from '../../src/engine/restore/verify.ts';
import { compileFilter } from '../../src/policy/filter.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { treeDifferences } from '../compare-trees.ts';
import { makeOddFiles } from '../interop/odd-files.ts';
import { randomOf } from '../random.ts';
import { mountSmallDisk } from '../storage/tmpfs.ts';
import { createSample, restore, scratchFolder } from './sample.ts';

const scratch = scratchFolder();
const sample = await createSample(scratch);
const { repository, source } = sample;
const random = randomOf('restore', 7);

await makeOddFiles(bytesOfText(join(source, 'odd')));
mkdirSync(join(source, 'data/deep'), { recursive: true });
const large = random.bytes(24_000_000);
writeFileSync(join(source, 'data/large'), large);
writeFileSync(join(source, 'data/small'), 'small\n', { mode: 0o640 });
writeFileSync(join(source, 'data/deep/other'), 'other\n');
writeFileSync(join(source, 'data/zeros'), Buffer.concat([Buffer.from('x'), Buffer.alloc(3_000_000)]));
const tree = await sample.backup();

let restores = 0;
/** A target that was restored to once. */
async function restoredOnce(): Promise<string> {
  const target = join(scratch, `target ${restores++}`);
  const { problems } = await restore(repository, tree, target);
  assert.deepEqual(problems, []);
  return target;
}

const sameAsSource = (target: string): void => assert.deepEqual(differences(target), []);
/** The target's own metadata is the user's. */
const differences = (target: string): string[] =>
  treeDifferences(source, target).filter((line) => !line.startsWith('".":'));

describe('a restore into a new folder', () => {
  test('brings back every kind of entry with all its metadata', async () => {
    sameAsSource(await restoredOnce());
  });

  test('with --sparse leaves holes for zeros and nothing else', async () => {
    const target = join(scratch, 'sparse');
    await restore(repository, tree, target, { sparse: true });
    sameAsSource(target);
    assert.ok(statSync(join(target, 'data/zeros')).blocks * 512 < 100_000);
  });

  test('is verified by reading all of it again', async () => {
    const target = join(scratch, 'verified');
    const { written } = await restore(repository, tree, target);
    const index = await loadIndex(repository);
    const problems: string[] = [];
    const request = {
      ...({ tree, target: bytesOfText(target), overwrite: 'always', owner: 'numeric' } as const),
      ...{ deleteExtra: false, dryRun: false, sparse: false, workers: 2 },
      selection: createRestoreSelection([], []),
      signal: new AbortController().signal,
      events: { problem: (path: string, error: unknown) => void problems.push(`${path}: ${error}`) },
    };
    const report = await verifyRestored(repository, index, request, written);
    assert.deepEqual(problems, []);
    assert.ok(report.filesVerified >= 4);

    const spoiled = Buffer.from(large);
    spoiled[20_000_000]! ^= 1;
    writeFileSync(join(target, 'data/large'), spoiled);
    truncateSync(join(target, 'data/small'), 2);
    rmSync(join(target, 'data/deep/other'));
    const after = await verifyRestored(repository, index, request, written);
    assert.equal(after.problems, 3);
    assert.equal(after.filesVerified, report.filesVerified - 3);
    assert.match(
      problems.join('\n'),
      /\/data\/large: .*the restored content differs, starting at offset \d+/,
    );
    assert.match(problems.join('\n'), /\/data\/small: .*has 2 bytes instead of 6/);
  });

  test('as a dry run says all that would be done and does nothing', async () => {
    const target = join(scratch, 'dry');
    const { items, counts } = await restore(repository, tree, target, { dryRun: true });
    assert.equal(existsSync(target), false);
    const real = await restore(repository, tree, target);
    assert.deepEqual([...items].sort(), [...real.items].sort());
    assert.deepEqual(counts, real.counts);
  });
});

describe('a restore over what is there', () => {
  test('with always writes only the parts that differ', async () => {
    const target = await restoredOnce();
    const path = join(target, 'data/large');
    const { ino } = statSync(path);
    const { mtime } = statSync(path);
    const spoiled = Buffer.from(large);
    spoiled.fill(0, 12_000_000, 12_000_100);
    writeFileSync(path, spoiled);
    utimesSync(path, mtime, mtime);
    const { items, counts } = await restore(repository, tree, target);
    assert.ok(items.includes('updated /data/large'));
    assert.equal(items.filter((item) => item.startsWith('updated')).length, 1);
    assert.ok(counts.bytesSkipped > 3_000_000);
    assert.equal(statSync(path).ino, ino);
    sameAsSource(target);
  });

  test('with if-changed trusts equal size and time, and sets metadata all the same', async () => {
    const target = await restoredOnce();
    const path = join(target, 'data/small');
    const before = statSync(path);
    writeFileSync(path, 'SMALL\n');
    utimesSync(path, before.mtime, before.mtime);
    chmodSync(path, 0o600);
    // Milliseconds are too coarse for the time to be equal, unless the file has a time of whole seconds.
    writeFileSync(join(source, 'data/small'), 'small\n');
    utimesSync(join(source, 'data/small'), 1_700_000_000, 1_700_000_000);
    const whole = await sample.backup();
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    await restore(repository, whole, target, { overwrite: 'if-changed' });
    assert.equal(readFileSync(path, 'utf8'), 'SMALL\n');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await restore(repository, whole, target, { overwrite: 'always' });
    assert.equal(readFileSync(path, 'utf8'), 'small\n');
  });

  test('with if-newer leaves what is newer, with never all that is there', async () => {
    const target = await restoredOnce();
    const small = join(target, 'data/small');
    const other = join(target, 'data/deep/other');
    writeFileSync(small, 'newer');
    writeFileSync(other, 'older');
    utimesSync(other, 1000, 1000);
    await restore(repository, tree, target, { overwrite: 'if-newer' });
    assert.equal(readFileSync(small, 'utf8'), 'newer');
    assert.equal(readFileSync(other, 'utf8'), 'other\n');
    writeFileSync(other, 'mine');
    rmSync(join(target, 'data/large'));
    const { counts } = await restore(repository, tree, target, { overwrite: 'never' });
    assert.equal(readFileSync(other, 'utf8'), 'mine');
    assert.equal(statSync(join(target, 'data/large')).size, large.length);
    assert.ok(counts.filesSkipped > 2);
  });

  test('cuts off what is too long and completes what was interrupted', async () => {
    const target = await restoredOnce();
    writeFileSync(join(target, 'data/small'), 'small\nand more');
    writeFileSync(join(target, 'data/large'), large.subarray(0, 10_000_000));
    rmSync(join(target, 'data/deep'), { recursive: true });
    const { counts } = await restore(repository, tree, target, { overwrite: 'if-changed' });
    assert.ok(counts.bytesSkipped >= 3_000_000);
    sameAsSourceBut(target, 'data/small');
  });

  test('replaces symlinks, folders and files with several names instead of writing through them', async () => {
    const target = await restoredOnce();
    const outside = join(scratch, 'outside');
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, 'victim'), 'untouched');
    rmSync(join(target, 'data/small'));
    symlinkSync(join(outside, 'victim'), join(target, 'data/small'));
    rmSync(join(target, 'data/deep'), { recursive: true });
    symlinkSync(outside, join(target, 'data/deep'));
    rmSync(join(target, 'data/zeros'));
    mkdirSync(join(target, 'data/zeros'));
    rmSync(join(target, 'data/large'));
    linkSync(join(outside, 'victim'), join(target, 'data/large'));
    const { problems } = await restore(repository, tree, target);
    assert.deepEqual(problems, []);
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'untouched');
    assert.equal(existsSync(join(outside, 'other')), false);
    assert.ok(lstatSync(join(target, 'data/deep')).isDirectory());
    sameAsSourceBut(target, 'data/small');
  });

  test('names what it cannot replace and goes on', async () => {
    const target = await restoredOnce();
    rmSync(join(target, 'data/small'));
    mkdirSync(join(target, 'data/small/full'), { recursive: true });
    rmSync(join(target, 'data/deep/other'));
    const { problems } = await restore(repository, tree, target);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /^\/data\/small: ENOTEMPTY/);
    assert.equal(readFileSync(join(target, 'data/deep/other'), 'utf8'), 'other\n');
  });

  test('with delete removes what the snapshot does not have, as far as it is selected', async () => {
    const target = await restoredOnce();
    mkdirSync(join(target, 'data/extra/deep'), { recursive: true });
    writeFileSync(join(target, 'data/extra/deep/file'), '');
    writeFileSync(join(target, 'data/keep.log'), '');
    symlinkSync(source, join(target, 'data/extra/link'));
    const selection = createRestoreSelection([], [compileFilter([bytesOfText('*.log')])]);
    const dry = await restore(repository, tree, target, { deleteExtra: true, dryRun: true, selection });
    assert.ok(existsSync(join(target, 'data/extra/deep/file')));
    const { items, counts } = await restore(repository, tree, target, { deleteExtra: true, selection });
    const deleted = (all: readonly string[]): string[] => all.filter((item) => item.startsWith('deleted'));
    assert.deepEqual(deleted(items), deleted(dry.items));
    assert.equal(counts.filesDeleted, 4);
    assert.equal(existsSync(join(target, 'data/extra')), false);
    assert.ok(existsSync(join(target, 'data/keep.log')));
    assert.ok(existsSync(join(source, 'data/large')));
    assert.deepEqual(
      differences(target).filter((line) => !line.startsWith('"data/small"')),
      ['"data/keep.log" was not there'],
    );
  });
});

/** One of the tests changes this file at the source. */
function sameAsSourceBut(target: string, path: string): void {
  assert.deepEqual(
    differences(target).filter((line) => !line.startsWith(`"${path}"`)),
    [],
  );
}

describe('a restore to a disk that is full', () => {
  const small = mountSmallDisk(8_000_000);
  after(() => small?.unmount());

  test('ends with what to do, and is completed by running it again', {
    skip: !small && 'needs root',
  }, async () => {
    const target = join(small!.path, 'target');
    await assert.rejects(
      restore(repository, tree, target),
      (error) => hasCode(error, 'target-failed') && /ENOSPC/.test(error.message),
    );
    small!.resize(64_000_000);
    const { problems } = await restore(repository, tree, target);
    assert.deepEqual(problems, []);
    sameAsSourceBut(target, 'data/small');
  });
});

describe('a selection', () => {
  const filter = (pattern: string) => [compileFilter([bytesOfText(pattern)])];

  test('by --include brings what matches, with the folders on the way', async () => {
    const target = join(scratch, 'included');
    const { items } = await restore(repository, tree, target, {
      selection: createRestoreSelection(filter('other'), []),
    });
    assert.deepEqual(items, ['restored /data/deep/other', 'restored /data/deep', 'restored /data']);
    assert.equal(statSync(join(target, 'data')).mode, statSync(join(source, 'data')).mode);
  });

  test('by an absolute --include does not look elsewhere', async () => {
    const target = join(scratch, 'included absolutely');
    const { items } = await restore(repository, tree, target, {
      selection: createRestoreSelection(filter('/data/deep'), []),
    });
    assert.deepEqual(items, ['restored /data/deep/other', 'restored /data/deep', 'restored /data']);
  });

  test('by --exclude leaves out what matches and all below it', async () => {
    const target = join(scratch, 'excluded');
    await restore(repository, tree, target, {
      selection: createRestoreSelection([], filter('deep')),
    });
    assert.equal(existsSync(join(target, 'data/deep')), false);
    assert.ok(existsSync(join(target, 'data/large')));
  });
});
