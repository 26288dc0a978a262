import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../src/core/bytestring.ts';
import { LifeboatError } from '../../src/core/errors.ts';
import type { BackupReport, BackupRequest } from '../../src/engine/backup/backup.ts';
import { pageChecksum } from '../../src/kernels/page-checksum.ts';
import type {
  Chunking,
  EntryContent,
  EntryRun,
  EntrySource,
  SourceEntry,
} from '../../src/model/source-entry.ts';
import { anySnapshot } from '../../src/policy/snapshot-selection.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { treeDifferences } from '../compare-trees.ts';
import { password, succeed, systemRestic } from '../programs.ts';
import { type Random, randomOf } from '../random.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';

const scratch = mkdtempSync(join(tmpdir(), 'entries-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let numbers = 0;
const newPath = (name: string): string => join(scratch, `${name}-${numbers++}`);

const pagesOf = (chunkBytes: number): Chunking => ({
  kind: 'pages',
  chunkBytes,
  pageBytes: 8192,
  check: null,
});
const checked = (firstBlock = 0, notFrom = 1n << 62n): Chunking => ({
  kind: 'pages',
  chunkBytes: 32_768,
  pageBytes: 8192,
  check: { kind: 'postgres', firstBlock, notFrom },
});
const pages = pagesOf(32_768);
const byContent: Chunking = { kind: 'content-defined' };
const finely: Chunking = { kind: 'content-defined', averageBytes: 16_384 };

async function newRepository(): Promise<string> {
  const path = newPath('repository');
  await createCheapRepository(localStorage(path));
  return path;
}

type Entries = (run: EntryRun) => AsyncIterable<SourceEntry>;

/** Backs entries up. Workers are two, so that what should be spread over them is. */
async function backUpEntries(
  repository: string,
  entries: readonly SourceEntry[] | Entries,
  options: Partial<BackupRequest> = {},
): Promise<BackupReport> {
  async function* listed(): AsyncGenerator<SourceEntry> {
    if (typeof entries !== 'function') yield* entries;
  }
  const source: EntrySource = {
    paths: ['/cluster'],
    entries: typeof entries === 'function' ? entries : listed,
    tags: () => ['lifeboat:kind=test'],
  };
  const opened = await openRepository(localStorage(repository), password);
  return backUp(opened, '', { source: { entries: source }, parent: null, workers: 2, ...options });
}

async function restore(repository: string): Promise<string> {
  await succeed(systemRestic, ['check', '--read-data'], { repository });
  const target = newPath('target');
  await succeed(systemRestic, ['restore', 'latest', '--target', target], { repository });
  return target;
}

const file = (path: string, content?: EntryContent, more: Partial<SourceEntry> = {}): SourceEntry => ({
  path: bytesOfText(path),
  type: 'file',
  permissions: 0o600,
  uid: process.getuid!(),
  gid: process.getgid!(),
  mtimeNs: 1_700_000_000_123_456_789n,
  ...(content ? { content } : {}),
  ...more,
});

const localFile = (path: string, size: number, chunking: Chunking = pages): EntryContent => ({
  kind: 'file',
  path: bytesOfText(path),
  size,
  chunking,
});

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function write(path: string, content: Uint8Array | string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

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

  async function twice(second: Partial<SourceEntry>): Promise<{ report: BackupReport; stored: Buffer }> {
    const repository = await newRepository();
    const path = write(newPath('relation'), content);
    const entry = file('base/1/2', localFile(path, content.length));
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

  for (const [why, second] of [
    ['that it does not vouch for', {}],
    ['of another time', { reusable: true, mtimeNs: 1_700_000_000_123_456_788n }],
  ] as const)
    test(`gives nothing for a file ${why}`, async () => {
      const { report, stored } = await twice(second);
      assert.ok(stored.equals(Buffer.alloc(content.length, 1)));
      assert.equal(report.summary.files_changed, 1);
    });
});

describe('a source', () => {
  const bytes: EntryContent = { kind: 'bytes', bytes: Buffer.from('x') };

  test('that fails makes no snapshot, and its error is the one that is told', async () => {
    const repository = await newRepository();
    async function* entries(): AsyncGenerator<SourceEntry> {
      yield file('a', bytes);
      throw new LifeboatError('source-unreadable', 'the connection was lost');
    }
    await assert.rejects(backUpEntries(repository, entries), /the connection was lost/);
    const opened = await openRepository(localStorage(repository), password);
    assert.deepEqual((await listSnapshots(opened, true)).snapshots, []);
  });

  test('whose stream fails cleans up before the error is told', async () => {
    const steps: string[] = [];
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begin');
      throw new Error('stream broke');
    }
    for (const chunking of [pages, byContent]) {
      async function* entries(): AsyncGenerator<SourceEntry> {
        try {
          yield file('a', { kind: 'stream', bytes: broken(), chunking });
        } finally {
          await new Promise((resolve) => setTimeout(resolve, 20));
          steps.push('cleaned up');
        }
      }
      await assert.rejects(backUpEntries(await newRepository(), entries), /stream broke/);
    }
    assert.deepEqual(steps, ['cleaned up', 'cleaned up']);
  });

  for (const where of ['entries', 'stream'] as const)
    test(`that waits in its ${where} ends when the backup is cancelled`, async () => {
      const cancel = new AbortController();
      let cleanedUp = false;
      async function* waiting(signal: AbortSignal): AsyncGenerator<Uint8Array> {
        yield Buffer.from('begin');
        cancel.abort();
        await new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      }
      async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
        try {
          yield file('a', bytes);
          if (where === 'stream')
            yield file('b', { kind: 'stream', bytes: waiting(run.signal), chunking: pages });
          for await (const _ of waiting(run.signal));
        } finally {
          cleanedUp = true;
        }
      }
      const backup = backUpEntries(await newRepository(), entries, { signal: cancel.signal });
      await assert.rejects(backup, { code: 'cancelled' });
      assert.ok(cleanedUp);
    });

  test('learns from `settled` that the storing failed, and that error is told', async () => {
    const repository = await newRepository();
    const storage = localStorage(repository);
    const full: typeof storage = {
      ...storage,
      save: (key, parts) =>
        key.startsWith('data/') ? Promise.reject(new Error('disk full')) : storage.save(key, parts),
    };
    const opened = await openRepository(full, password);
    let learned: unknown;
    async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
      const path = write(newPath('large'), randomOf('full').bytes(3_000_000));
      try {
        for (let n = 0; n < 1000; n++) {
          yield file(`f${n}`, localFile(path, 3_000_000, pagesOf(8192 * (n + 1))));
          await run.settled();
        }
      } catch (error) {
        learned = error;
        throw error;
      } finally {
        learned ??= 'left';
      }
    }
    const source: EntrySource = { paths: ['/x'], entries, tags: () => [] };
    await assert.rejects(backUp(opened, '', { source: { entries: source }, parent: null }), /disk full/);
    assert.ok(learned);
  });

  for (const [what, paths] of [
    ['twice', ['a/b', 'a/b']],
    ['below a file', ['a', 'a/b']],
    ['with an empty part', ['a//b']],
    ['that leads out', ['a/../../b']],
    ['with a slash before it', ['/a']],
  ] as const)
    test(`that names a path ${what} is refused`, async () => {
      const entries = paths.map((path) => file(path, bytes));
      await assert.rejects(backUpEntries(await newRepository(), entries), { code: 'internal' });
    });

  test('of nothing makes no snapshot', async () => {
    await assert.rejects(backUpEntries(await newRepository(), []), { code: 'source-unreadable' });
  });

  test('of a hundred thousand small files is stored in seconds', async () => {
    const content = Buffer.alloc(2000);
    async function* entries(): AsyncGenerator<SourceEntry> {
      for (let n = 0; n < 100_000; n++) {
        content.writeUInt32LE(n % 5000, 0);
        yield file(`base/${n % 20}/${n}`, { kind: 'bytes', bytes: content });
      }
    }
    const started = performance.now();
    const report = await backUpEntries(await newRepository(), entries, { packBytes: 4 * 1024 * 1024 });
    assert.equal(report.summary.files_new, 100_000);
    assert.equal(report.summary.data_blobs, 5000);
    assert.ok(performance.now() - started < 20_000, `${performance.now() - started} ms`);
  });
});
