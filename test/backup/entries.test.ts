import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../src/core/bytestring.ts';
import type { BackupReport } from '../../src/engine/backup/backup.ts';
import { pageChecksum } from '../../src/kernels/page-checksum.ts';
import type { EntryContent, EntryRun, SourceEntry } from '../../src/model/source-entry.ts';
import { anySnapshot } from '../../src/policy/snapshot-selection.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { treeDifferences } from '../compare-trees.ts';
import { password } from '../programs.ts';
import { type Random, randomOf } from '../random.ts';

import {
  backUpEntries,
  byContent,
  checked,
  file,
  finely,
  inPieces,
  localFile,
  newPath,
  newRepository,
  pages,
  restore,
  write,
} from './entry-sandbox.ts';

/** Pages as a server writes them: some LSN, a header that is no new page's, and the right checksum. */
function validPages(random: Random, count: number, firstBlock = 0): Buffer {
  const bytes = random.bytes(count * 8192);
  for (let page = 0; page < count; page++) {
    const at = page * 8192;
    bytes.writeUInt32LE(0, at);
    bytes.writeUInt16LE(200, at + 14);
    bytes.writeUInt16LE(pageChecksum(bytes.subarray(at, at + 8192), firstBlock + page), at + 8);
  }
  return bytes;
}

describe('entries of a source', () => {
  /** A folder of everything that entries can be. */
  function makeFolder(random: Random): string {
    const folder = newPath('source');
    const sizes = [0, 1, 8192, 32_768, 32_769, 100_000, 524_288, 524_289, 1_300_000, 9_500_000];
    for (const [n, size] of sizes.entries()) {
      const path = write(
        join(folder, random.below(2) ? `base/${n % 3}/${n}` : `top${n}`),
        random.bytes(size),
      );
      chmodSync(path, [0o600, 0o644, 0o4755, 0o400][random.below(4)]!);
      utimesSync(path, 1, 1_600_000_000 + random.below(1e8) + random.below(1e6) / 1e6);
    }
    write(join(folder, 'base/zeros'), Buffer.alloc(200_000));
    write(join(folder, 'wörter \\ "und" so'), 'text');
    symlinkSync('../elsewhere', join(folder, 'base/link'));
    lutimesSync(join(folder, 'base/link'), 5, 1_500_000_000);
    mkdirSync(join(folder, 'empty'), { mode: 0o700 });
    for (const path of ['', 'base', 'empty'])
      utimesSync(join(folder, path), 1, 1_400_000_000 + random.below(1e8));
    return folder;
  }

  function contentOf(random: Random, path: string, size: number): EntryContent {
    const chunking = [pages, byContent, finely][random.below(3)]!;
    const kind = random.below(3);
    if (kind === 0) return localFile(path, size, chunking);
    const bytes = readFileSync(path);
    if (kind === 1) return { kind: 'bytes', bytes };
    return { kind: 'stream', bytes: inPieces(bytes, 1 + random.below(200_000)), chunking };
  }

  function entriesOf(random: Random, folder: string): SourceEntry[] {
    const names = readdirSync(folder, { recursive: true }) as string[];
    const entries = names.map((name): SourceEntry => {
      const path = join(folder, name);
      const stat = lstatSync(path, { bigint: true });
      const type = stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'symlink' : 'file';
      return {
        path: bytesOfText(`cluster/${name}`),
        type,
        permissions: Number(stat.mode) & 0o7777,
        uid: Number(stat.uid),
        gid: Number(stat.gid),
        mtimeNs: stat.mtimeNs,
        ...(type === 'symlink' ? { linkTarget: readlinkSync(path) as ByteString } : {}),
        ...(type === 'file' ? { content: contentOf(random, path, Number(stat.size)) } : {}),
      };
    });
    return entries
      .map((entry) => ({ entry, place: random.below(1e6) }))
      .sort((one, other) => one.place - other.place)
      .map(({ entry }) => entry);
  }

  for (let round = 0; round < 4; round++)
    test(`in any order are restored by restic as they were (${round})`, async () => {
      const random = randomOf(`entries ${round}`);
      const folder = makeFolder(random);
      const stat = lstatSync(folder, { bigint: true });
      const repository = await newRepository();
      const self: SourceEntry = {
        ...file('cluster'),
        type: 'dir',
        permissions: Number(stat.mode) & 0o7777,
        mtimeNs: stat.mtimeNs,
      };
      const report = await backUpEntries(repository, [...entriesOf(random, folder), self]);
      assert.equal(report.problems, 0);
      const target = await restore(repository);
      assert.deepEqual(treeDifferences(folder, join(target, 'cluster')), []);
    });
});

test('the snapshot has the paths and tags that the source gives, and those of the user', async () => {
  const repository = await newRepository();
  const report = await backUpEntries(repository, [file('a', { kind: 'bytes', bytes: Buffer.from('x') })], {
    tags: ['mine', 'lifeboat:kind=test'],
  });
  const opened = await openRepository(localStorage(repository), password);
  const [snapshot] = (await listSnapshots(opened, true)).snapshots;
  assert.equal(snapshot?.id, report.snapshotId);
  assert.deepEqual(snapshot?.paths, ['/cluster']);
  assert.deepEqual(snapshot?.tags, ['mine', 'lifeboat:kind=test']);
  assert.equal(report.summary.files_new, 1);
});

describe('pages', () => {
  test('that are damaged are told with their block, and stored as they are', async () => {
    const random = randomOf('damage');
    const bytes = validPages(random, 1500, 131_072);
    bytes[700 * 8192 + 5000]! ^= 1;
    bytes[1499 * 8192 + 100]! ^= 128;
    const path = write(newPath('relation'), bytes);
    const seen: number[] = [];
    for (const content of [
      localFile(path, bytes.length, checked(131_072)),
      { kind: 'stream', bytes: inPieces(bytes, 70_000), chunking: checked(131_072) },
    ] satisfies EntryContent[]) {
      const repository = await newRepository();
      async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
        yield file('base/5/1.1', content);
        await run.settled();
        seen.push(run.damagedPages.length);
      }
      const report = await backUpEntries(repository, entries);
      assert.deepEqual(
        report.damagedPages.map(({ path, block }) => [path, block]),
        [
          ['base/5/1.1', 131_772],
          ['base/5/1.1', 132_571],
        ],
      );
      const [first] = report.damagedPages;
      assert.equal(first?.found, bytes.readUInt16LE(700 * 8192 + 8));
      assert.equal(first?.expected, pageChecksum(bytes.subarray(700 * 8192, 701 * 8192), 131_772));
      const target = await restore(repository);
      assert.ok(readFileSync(join(target, 'base/5/1.1')).equals(bytes));
    }
    assert.deepEqual(seen, [2, 2]);
  });

  test('that are new, or were changed since the backup began, are not judged', async () => {
    const bytes = validPages(randomOf('new pages'), 5);
    bytes.fill(0, 0, 8192);
    bytes.fill(0, 8192, 2 * 8192);
    bytes[8192 + 9]! = 7; // claims to be new, and is not all zeros
    bytes.writeUInt32LE(1, 2 * 8192); // LSN 1/…: at or behind 1/0
    bytes[3 * 8192 + 77]! ^= 1;
    const path = write(newPath('relation'), bytes);
    const report = await backUpEntries(await newRepository(), [
      file('r', localFile(path, bytes.length, checked(0, 1n << 32n))),
    ]);
    assert.deepEqual(
      report.damagedPages.map(({ block }) => block),
      [1, 3],
    );
  });
});

describe('a local file', () => {
  test('that vanished, and may, is left out; one that may not is a problem', async () => {
    const gone = localFile(newPath('gone'), 100);
    const repository = await newRepository();
    const problems: string[] = [];
    const report = await backUpEntries(
      repository,
      [
        file('d/a', gone, { mayVanish: true }),
        file('d/b', gone),
        file('d/c', localFile(write(newPath('there'), 'x'), 1)),
      ],
      { events: { problem: (path) => problems.push(path) } },
    );
    assert.equal(report.problems, 1);
    assert.deepEqual(problems, ['/d/b']);
    assert.deepEqual(readdirSync(join(await restore(repository), 'd')), ['c']);
  });

  test('that is shorter than it was is stored as it is', async () => {
    const path = write(newPath('short'), 'abc');
    const problems: string[] = [];
    const repository = await newRepository();
    await backUpEntries(
      repository,
      [
        file('may', localFile(path, 20_000_000), { mayVanish: true }),
        file('may not', localFile(path, 20_000_000)),
      ],
      { events: { problem: (which) => problems.push(which) } },
    );
    assert.deepEqual(problems, ['/may not']);
    assert.equal(readFileSync(join(await restore(repository), 'may'), 'latin1'), 'abc');
  });

  test('that became longer is stored as long as it was seen', async () => {
    const bytes = randomOf('longer').bytes(2_000_000);
    const path = write(newPath('long'), bytes);
    const repository = await newRepository();
    await backUpEntries(repository, [
      file('pages', localFile(path, 1_000_001)),
      file('cut', localFile(path, 1_000_001, byContent)),
    ]);
    const target = await restore(repository);
    for (const name of ['pages', 'cut'])
      assert.ok(readFileSync(join(target, name)).equals(bytes.subarray(0, 1_000_001)), name);
  });
});

describe('the parent', () => {
  const content = randomOf('parent').bytes(300_000);

  /** @param laterNs how much later than at the first look the file was last written. */
  async function twice(
    second: Partial<SourceEntry>,
    laterNs = 0n,
  ): Promise<{ report: BackupReport; stored: Buffer }> {
    const repository = await newRepository();
    const path = write(newPath('relation'), content);
    const mtimeNs = statSync(path, { bigint: true }).mtimeNs - laterNs;
    const entry = file('base/1/2', localFile(path, content.length), { mtimeNs });
    const first = await backUpEntries(repository, [
      entry,
      file('base/1/3', { kind: 'bytes', bytes: content }),
    ]);
    // What is taken over is not read: this would show.
    writeFileSync(path, Buffer.alloc(content.length, 1));
    const report = await backUpEntries(repository, [{ ...entry, ...second }, file('base/1/4')], {
      parent: { named: first.snapshotId!, filter: anySnapshot },
    });
    assert.equal(report.parent?.id, first.snapshotId);
    return { report, stored: readFileSync(join(await restore(repository), 'base/1/2')) };
  }

  test('gives the content of what the source vouches for', async () => {
    const { report, stored } = await twice({ reusable: true });
    assert.ok(stored.equals(content));
    assert.equal(report.summary.files_unmodified, 1);
    assert.equal(report.summary.files_new, 1);
    assert.equal(report.summary.dirs_changed, 2);
    assert.equal(report.summary.data_blobs, 0);
    assert.equal(report.summary.total_bytes_processed, content.length);
  });

  for (const [why, second, laterNs] of [
    ['that it does not vouch for', {}, 0n],
    ['of another time', { reusable: true, mtimeNs: 1_700_000_000_123_456_788n }, 0n],
    ['that was written between the look at it and its reading', { reusable: true }, 1n],
  ] as const)
    test(`gives nothing for a file ${why}`, async () => {
      const { report, stored } = await twice(second, laterNs);
      assert.ok(stored.equals(Buffer.alloc(content.length, 1)));
      assert.equal(report.summary.files_changed, 1);
    });
});
