import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { type JsonObject, linesOf, password, succeed, systemRestic } from '../programs.ts';
import { makeSample, printedOn, runOn, type Sample } from './sample.ts';
import { zipEntries } from './zip-entries.ts';

const scratch = mkdtempSync(join(tmpdir(), 'look-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

let sample: Sample;
before(async () => {
  sample = await makeSample(scratch);
});

const own = (args: readonly string[]): Promise<string> =>
  printedOn(sample.repository, ['--no-lock', ...args]);

/** What Lifeboat and the system's restic print for the same command line. */
const both = async (args: readonly string[]): Promise<readonly [string, string]> => [
  await own(args),
  await succeed(systemRestic, ['--no-lock', ...args], { repository: sample.repository }),
];

/** Without the heading, whose wording differs between versions of restic. */
const body = (text: string): string => text.slice(text.indexOf('\n') + 1);

describe('prints what restic prints', () => {
  const cases: readonly (readonly [string, (ids: readonly string[]) => readonly string[]])[] = [
    ['find in one snapshot', ([id = '']) => ['find', '-s', id, '*.txt', 'sub']],
    ['find with details', ([id = '']) => ['find', '-l', '-i', '-s', id, '*.TXT']],
    ['find by time', ([id = '']) => ['find', '-s', id, '-N', '2025-01-01', '*']],
    ['diff', ([a = '', b = '']) => ['diff', a, b]],
    ['diff with metadata', ([a = '', b = '']) => ['diff', '--metadata', b, a]],
    ['diff as JSON', ([a = '', b = '']) => ['diff', '--json', '--metadata', a, b]],
    ['dump of a file', ([, b = '']) => ['dump', b, 'FOLDER/dir/a.txt']],
    ['cat config', () => ['cat', 'config']],
    ['list keys', () => ['list', 'keys']],
    ['key list', () => ['key', 'list']],
    ['stats', () => ['stats', '--json']],
    ['stats by contents', () => ['stats', '--json', '--mode', 'files-by-contents']],
    ['stats of blobs in files', ([id = '']) => ['stats', '--json', '--mode', 'blobs-per-file', id]],
  ];
  for (const [name, argsOf] of cases) {
    test(name, async () => {
      const args = argsOf(sample.snapshots).map((arg) => arg.replace('FOLDER', sample.folder));
      const [ours, theirs] = await both(args);
      assert.equal(ours, theirs);
      assert.notEqual(ours, '');
    });
  }

  test('ls, in every order that both have', async () => {
    const [first = ''] = sample.snapshots;
    for (const args of [[], ['-l'], ['--recursive']]) {
      for (const folder of [[], [`${sample.folder}/dir`], ['/']]) {
        const [ours, theirs] = await both(['ls', ...args, first, ...folder]);
        assert.equal(body(ours), body(theirs), [...args, ...folder].join(' '));
      }
    }
  });

  test('list, whose order is not promised', async () => {
    for (const kind of ['blobs', 'packs', 'index', 'snapshots']) {
      const [ours, theirs] = await both(['list', kind]);
      assert.deepEqual(linesOf(ours).sort(), linesOf(theirs).sort());
    }
  });
});

describe('snapshots', () => {
  test('are grouped and limited', async () => {
    const groups = JSON.parse(await own(['snapshots', '--group-by', 'host', '--latest', '1', '--json'])) as {
      group_key: JsonObject;
      snapshots: JsonObject[];
    }[];
    assert.deepEqual(
      groups.map(({ group_key, snapshots }) => [group_key, snapshots.map(({ id }) => id)]),
      [
        [{ hostname: 'alpha', paths: null, tags: null }, [sample.snapshots[1]]],
        [{ hostname: 'beta', paths: null, tags: null }, [sample.snapshots[2]]],
      ],
    );
  });

  test('are filtered by host, tag and path', async () => {
    const idsOf = async (...args: string[]): Promise<string[]> =>
      (JSON.parse(await own(['snapshots', '--json', ...args])) as JsonObject[]).map(({ id }) => String(id));
    assert.deepEqual(await idsOf('--tag', 'two'), [sample.snapshots[0]]);
    assert.deepEqual(await idsOf('--host', 'beta', '--path', `${sample.folder}/dir`), [sample.snapshots[2]]);
    assert.deepEqual(await idsOf('latest'), [sample.snapshots[2]]);
    assert.deepEqual(await idsOf('--host', 'nobody'), []);
  });

  test('that do not exist are an error', async () => {
    const { status, stderr } = await runOn(sample.repository, ['snapshots', 'zz']);
    assert.equal(status, 1);
    assert.match(stderr, /no snapshot has an ID that begins with "zz"/);
  });
});

describe('ls', () => {
  test('prints one JSON object a line, the snapshot first', async () => {
    const [snapshot, ...nodes] = linesOf(await own(['ls', '--json', sample.snapshots[0] ?? ''])).map(
      (line) => JSON.parse(line) as JsonObject,
    );
    assert.equal(snapshot?.message_type, 'snapshot');
    assert.ok(nodes.every((node) => node.message_type === 'node' && node.struct_type === 'node'));
    const file = nodes.find(({ path }) => path === `${sample.folder}/dir/a.txt`);
    assert.equal(file?.size, 5);
    assert.equal(file?.permissions, 'urwxr-xr-x');
    assert.equal(file?.mtime, '2020-02-03T04:05:06.25Z');
    assert.ok(nodes.some(({ name }) => name === 'bad\ufffd\ufffdname'));
  });

  test('sorts by size, the other way round', async () => {
    const [first] = linesOf(
      body(await own(['ls', '--sort', 'size', '--reverse', sample.snapshots[0] ?? ''])),
    );
    assert.equal(first, `${sample.folder}/large.bin`);
  });

  test('exports to ncdu a document whose folders nest', async () => {
    const [major, minor, , root] = JSON.parse(
      await own(['ls', '--ncdu', sample.snapshots[0] ?? '']),
    ) as unknown[];
    assert.deepEqual([major, minor], [1, 2]);
    let folder = root as unknown[];
    for (const name of sample.folder.split('/').slice(1)) {
      folder = folder.find((one) => Array.isArray(one) && one[0].name === name) as unknown[];
    }
    assert.ok(folder.some((one) => (one as JsonObject).name === 'large.bin'));
  });

  test('begins in a subfolder', async () => {
    assert.deepEqual(linesOf(body(await own(['ls', `${sample.snapshots[0]}:${sample.folder}/dir/sub`]))), [
      '/b.md',
    ]);
  });
});

describe('find', () => {
  test('searches the newest snapshot first, and what snapshots share once', async () => {
    const found = JSON.parse(await own(['find', '--json', 'sub'])) as JsonObject[];
    assert.deepEqual(
      found.map(({ snapshot }) => snapshot),
      sample.snapshots.toReversed(),
    );
  });

  test('tells what uses a pack', async () => {
    const packs = linesOf(await own(['list', 'packs']));
    const found: JsonObject[] = [];
    for (const pack of packs)
      found.push(...(JSON.parse(await own(['find', '--json', '--pack', pack])) as JsonObject[]));
    assert.ok(
      found.some(({ object_type, path }) => object_type === 'blob' && path === `${sample.folder}/large.bin`),
    );
    assert.ok(found.some(({ object_type, path }) => object_type === 'tree' && path === '/'));
  });
});

describe('dump', () => {
  test('packs a folder so that tar restores bytes, names, modes, times and links', async () => {
    const unpacked = join(scratch, 'unpacked');
    mkdirSync(unpacked);
    const archive = join(scratch, 'folder.tar');
    await own(['dump', '--target', archive, `${sample.snapshots[0]}:${sample.folder}`, '/']);
    execFileSync('tar', ['-xpf', archive, '-C', unpacked], { stdio: 'pipe' });
    const at = (...names: string[]): string => join(unpacked, ...names);
    assert.equal(readFileSync(at('dir', 'a.txt'), 'utf8'), 'hello');
    assert.equal(statSync(at('dir', 'a.txt')).mode & 0o7777, 0o4755);
    assert.equal(statSync(at('dir', 'a.txt')).mtimeMs, 1_580_702_706_250);
    assert.equal(statSync(at('dir', 'sub', 'b.md')).mtimeMs, -315_619_200_000);
    assert.equal(statSync(at('large.bin')).ino, statSync(at('dir', 'second-name.bin')).ino);
    assert.equal(
      readFileSync(at('long'.repeat(40), 'path'.repeat(40), `${'file'.repeat(30)}.txt`), 'utf8'),
      'deep',
    );
    assert.equal(readFileSync(Buffer.from(`${unpacked}/bad\xff\xfename`, 'latin1'), 'utf8'), 'odd');
  });

  test('packs a folder as a zip file that is sound', async () => {
    const archive = join(scratch, 'folder.zip');
    await own(['dump', '-a', 'zip', '-t', archive, `${sample.snapshots[0]}:${sample.folder}`, '/']);
    const entries = new Map(zipEntries(readFileSync(archive)).map((entry) => [entry.name, entry]));
    assert.equal(entries.get('dir/a.txt')?.content.toString(), 'hello');
    assert.equal(entries.get('dir/a.txt')?.mode, 0o104755);
    assert.equal(entries.get('dir/link')?.content.toString(), 'a.txt');
    assert.equal(entries.get('dir/link')?.mode, 0o120777);
    assert.equal(entries.get('large.bin')?.content.length, 3_000_000);
    assert.ok(entries.has('empty/'));
  });

  test('says which path is missing', async () => {
    const args = ['--no-lock', 'dump', sample.snapshots[0] ?? '', `${sample.folder}/dir/nix`];
    const { status, stderr } = await runOn(sample.repository, args);
    assert.equal(status, 1);
    assert.match(stderr, /dir\/nix is not in the snapshot/);
  });
});

describe('cat', () => {
  test('shows trees and blobs as they are stored', async () => {
    for (const line of linesOf(await own(['list', 'blobs'])).slice(0, 4)) {
      const [ours, theirs] = await both(['cat', 'blob', line.split(' ')[1] ?? '']);
      assert.equal(ours, theirs);
    }
    const tree = JSON.parse(await own(['cat', 'tree', `latest:${sample.folder}`])) as { nodes: JsonObject[] };
    assert.deepEqual(
      tree.nodes.map(({ name }) => name),
      ['dir', 'empty'],
    );
  });
});

describe('keys', () => {
  test('are added, changed and removed, and never the one in use', async () => {
    const repository = join(scratch, 'keys');
    execFileSync('cp', ['-r', sample.repository, repository]);
    const file = join(scratch, 'password');
    writeFileSync(file, 'second\n');
    const keys = async (password: string): Promise<JsonObject[]> =>
      JSON.parse(await printedOn(repository, ['key', 'list', '--json'], password)) as JsonObject[];
    await printedOn(repository, ['key', 'add', '--new-password-file', file, '--user', 'u', '--host', 'h']);
    const [first, second] = await keys('second');
    assert.deepEqual([second?.userName, second?.hostName, second?.current], ['u', 'h', true]);

    const inUse = await runOn(repository, ['key', 'remove', String(second?.id)], 'second');
    assert.equal(inUse.status, 1);
    assert.match(inUse.stderr, /is the one in use/);
    await printedOn(repository, ['key', 'remove', String(first?.id).slice(0, 10)], 'second');

    writeFileSync(file, 'third');
    await printedOn(repository, ['key', 'passwd', '--new-password-file', file], 'second');
    assert.equal((await keys('third')).length, 1);
    assert.equal((await runOn(repository, ['key', 'list'], 'second')).status, 12);
    const listed = await succeed(systemRestic, ['snapshots'], { repository, password: 'third' });
    assert.match(listed, /3 snapshots/);
  });
});

describe('init', () => {
  test('says where the repository is and what comes next, and takes chunker parameters over', async () => {
    const first = join(scratch, 'first');
    const second = join(scratch, 'second');
    const lines = linesOf(await printedOn(first, ['init']));
    assert.match(lines[0] ?? '', new RegExp(`^created restic repository [0-9a-f]{10} at ${first}$`));
    assert.equal(lines.at(-1), `Next: lifeboat -r ${first} backup FOLDER`);
    const from = ['--from-repo', first, '--from-password-command', 'echo test', '--copy-chunker-params'];
    const status = JSON.parse(await printedOn(second, ['init', '--json', ...from])) as JsonObject;
    assert.equal(status.message_type, 'initialized');
    assert.equal(status.repository, second);
    const polynomials = await Promise.all(
      [first, second].map(
        async (at) => JSON.parse(await printedOn(at, ['cat', 'config'])).chunker_polynomial,
      ),
    );
    assert.equal(polynomials[0], polynomials[1]);
    assert.equal((await runOn(first, ['init'])).status, 1);
  });
});

describe('unlock', () => {
  test('removes what a process that is gone left behind, and nothing else without being told', async () => {
    const repository = join(scratch, 'locked');
    execFileSync('cp', ['-r', sample.repository, repository]);
    const opened = await openRepository(localStorage(repository), password);
    const lock = {
      time: new Date().toISOString(),
      exclusive: true,
      hostname: 'elsewhere',
      username: 'u',
      pid: 1,
    };
    const save = (changes: object): Promise<string> =>
      opened.files.save('locks', Buffer.from(JSON.stringify({ ...lock, ...changes })));
    const fresh = await save({});
    await save({ time: '2020-01-01T00:00:00Z' });
    assert.equal(await printedOn(repository, ['unlock']), 'successfully removed 1 locks\n');
    assert.deepEqual(linesOf(await printedOn(repository, ['list', 'locks'])), [fresh]);
    assert.equal((await runOn(repository, ['snapshots'])).status, 11);
    assert.equal(await printedOn(repository, ['unlock', '--remove-all']), 'successfully removed 1 locks\n');
    assert.equal(await printedOn(repository, ['unlock']), '');
  });
});

describe('cache', () => {
  test('lists the caches of a folder, says so when there are none, and removes old ones', async () => {
    const folder = join(scratch, 'cache');
    const run = (...args: string[]): Promise<string> =>
      printedOn('', ['cache', '--cache-dir', folder, ...args]);
    assert.equal(await run(), `no cache dirs found, basedir is ${folder}\n`);
    const cache = join(folder, 'ab'.repeat(32));
    mkdirSync(cache, { recursive: true });
    writeFileSync(join(cache, 'version'), '1');
    const twoMonthsAgo = new Date(Date.now() - 60 * 86_400_000);
    utimesSync(cache, twoMonthsAgo, twoMonthsAgo);
    assert.deepEqual(linesOf(await run()), [
      'Repo ID     Last Used    Old  Size',
      '-----------------------------------------',
      'ababababab  60 days ago  yes          1 B',
      '-----------------------------------------',
      `1 cache dirs in ${folder}`,
    ]);
    const [told] = linesOf(await run('--json')).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([told!.repository, told!.old, told!.size], ['ab'.repeat(32), true, 1]);
    assert.equal(await run('--cleanup'), 'remove 1 old cache directories\n');
    assert.equal(await run('--cleanup'), 'no old cache dirs found\n');
  });
});
