import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runForTest } from '../../src/cli/testing.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import {
  ended,
  type JsonObject,
  jsonLines,
  lifeboat,
  linesOf,
  missing,
  newestRestic,
  password,
  run,
  start,
  succeed,
  systemRestic,
} from '../programs.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { mountSmallDisk } from '../storage/tmpfs.ts';

const folder = mkdtempSync(join(tmpdir(), 'export-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const data = join(folder, 'data');
const home = join(folder, 'home');
let places = 0;
const place = (): string => join(folder, `place-${++places}`);

before(async () => {
  const repository = await createCheapRepository(localStorage(home));
  mkdirSync(data);
  for (let n = 0; n < 12; n++) writeFileSync(join(data, `file ${n}`), randomBytes(20_000));
  await backUp(repository, data);
  writeFileSync(join(data, 'file 3'), randomBytes(30_000));
  await backUp(repository, data);
});

/** An empty repository with the key of the first one, or one of its own. */
async function emptyRepository(key: 'same' | 'other'): Promise<string> {
  const path = place();
  if (key === 'other') await createCheapRepository(localStorage(path));
  else for (const part of ['config', 'keys']) cpSync(join(home, part), join(path, part), { recursive: true });
  return path;
}

const noPartial = (path: string): void =>
  assert.deepEqual(
    readdirSync(path).filter((name) => name.includes('partial')),
    [],
  );

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, 'it took too long');
    await sleep(20);
  }
}

describe('docs/export.md', () => {
  test('works as it is written', async () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'export.md'), 'utf8');
    const usb = place();
    const bin = place();
    mkdirSync(usb);
    mkdirSync(bin);
    writeFileSync(join(bin, 'lifeboat'), `#!/bin/sh\nexec '${lifeboat().path}' "$@"\n`, { mode: 0o755 });
    const drive = join(usb, 'drive');
    spawnSync('mkfifo', [drive]);
    const tape = join(usb, 'tape.tar');
    const reader = spawn('sh', ['-c', `cat '${drive}' > '${tape}'`]);
    const restored = await emptyRepository('other');
    const values = [
      ['/srv/backup/app', home],
      ['/srv/restored/app', restored],
      ['/media/usb', usb],
      ['/dev/nst0', drive],
    ] as const;
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
    const script = values.reduce(
      (text, [example, real]) => text.replaceAll(example, real),
      blocks.join('\n'),
    );
    for (const [example] of values) assert.ok(blocks.join('').includes(example), example);
    const shell = spawn('sh', ['-eu'], {
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        HOME: folder,
        LIFEBOAT_PASSWORD: password,
        LIFEBOAT_FROM_PASSWORD: password,
      },
    });
    shell.stdin.end(script);
    const { status, stdout, stderr } = await ended(shell);
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /complete and sound: 2 snapshots/);
    assert.match(stdout, /imported 2 snapshots/);
    assert.match(stdout, /imported 0 snapshots, 2 were here already/);
    if (reader.exitCode === null) await new Promise((done) => reader.once('close', done));
    assert.equal(readFileSync(tape).length % (1024 * 512), 0);
    noPartial(usb);
    for (const name of ['stream.tar', 'tape.tar']) {
      const env = { LIFEBOAT_FROM_PASSWORD: password };
      const verified = await runForTest(['import', '--verify-only', join(usb, name)], { env });
      assert.equal(verified.status, 0, verified.stderr);
    }
    const printed = await succeed(systemRestic, ['check', '--read-data'], { repository: restored });
    assert.match(printed, /no errors were found/);
  });
});

describe('lifeboat export', { concurrency: 3 }, () => {
  for (const program of [systemRestic, newestRestic])
    test(`makes what tar unpacks to a repository of ${program === newestRestic ? 'the newest ' : ''}restic`, {
      skip: missing(program),
    }, async () => {
      const unpacked = place();
      mkdirSync(unpacked);
      const file = place();
      await succeed(lifeboat(), ['export', '--output', file, 'latest'], { repository: home });
      const { status, stderr } = spawnSync('tar', ['-x', '-f', file, '-C', unpacked], { encoding: 'utf8' });
      assert.equal(`${status}${stderr}`, '0');
      const printed = await succeed(program, ['check', '--read-data'], { repository: unpacked });
      assert.match(printed, /no errors were found/);
      const target = place();
      await succeed(program, ['restore', 'latest', '--target', target], { repository: unpacked });
      assert.equal(spawnSync('diff', ['-r', data, join(target, data)], { encoding: 'utf8' }).stdout, '');
    });

  test('tells programs what it will do and what it did', async () => {
    const file = place();
    const [plan, summary] = await jsonLines(lifeboat(), ['export', '--output', file, 'latest'], {
      repository: home,
    });
    assert.equal(plan!.message_type, 'export_plan');
    assert.ok((plan!.packs_taken_in_part as number) + (plan!.packs_taken_whole as number) > 0);
    assert.equal(summary!.message_type, 'summary');
    const [volume] = summary!.volumes as JsonObject[];
    assert.deepEqual(volume, { number: 1, name: file, bytes: readFileSync(file).length });
    const [look] = await jsonLines(lifeboat(), ['import', '--list', file]);
    assert.deepEqual([look!.set, look!.number], [summary!.set, 1]);
    assert.deepEqual(
      (look!.snapshots as JsonObject[]).map(({ id }) => id),
      summary!.snapshots,
    );
    assert.ok(!readFileSync(file).includes(data), 'paths are in the clear');
  });

  test('leaves standard output to the stream, and goes through a pipe into another repository', async () => {
    const exporting = start(lifeboat(), ['export', '--json', '--output', '-'], { repository: home });
    const other = await emptyRepository('other');
    const env = { RESTIC_FROM_PASSWORD: password };
    const importing = start(lifeboat(), ['import', '--json', '-'], { repository: other, env });
    exporting.stdout.pipe(importing.stdin);
    const [sent, received] = await Promise.all([ended(exporting), ended(importing)]);
    assert.equal(received.status, 0, received.stderr);
    assert.equal(linesOf(sent.stderr).length, 2, sent.stderr);
    const summary = JSON.parse(linesOf(received.stdout).at(-1)!) as JsonObject;
    assert.equal(summary.mode, 're_encrypted');
    assert.equal((summary.imported as unknown[]).length, 2);
    await succeed(systemRestic, ['check', '--read-data'], { repository: other });
  });

  test('refuses what makes no sense before it reads anything', async () => {
    const refused = async (args: readonly string[], message: RegExp): Promise<void> => {
      const env = { LIFEBOAT_REPOSITORY: home, LIFEBOAT_PASSWORD: password };
      const { status, stderr } = await runForTest(args, { env });
      assert.equal(status, 1, stderr);
      assert.match(stderr, message);
    };
    const there = place();
    writeFileSync(there, 'an older export');
    await refused(['export'], /where to write the export was not said/);
    await refused(['export', '--output', '-', '--volume-size', '1M'], /standard output is one/);
    await refused(['export', '--output', there], /exists already; it was not touched/);
    assert.equal(readFileSync(there, 'utf8'), 'an older export');
    await refused(['export', '--output', folder], /is a folder/);
    await refused(['export', '--output', '/dev/null', '--volume-size', '1M'], /is a device/);
    await refused(['export', '--output', place(), '--host', 'nowhere'], /there is no snapshot to export/);
    await refused(['import', '-', there], /- stands for all volumes/);
    await refused(['import', there], /does not begin as a volume of an export does/);
    await refused(['import', join(folder, 'absent')], /it does not exist/);
    await refused(['import', data], /it is a folder/);
  });

  test('removes what it has written when it is interrupted; killed it leaves only what bears its mark', async () => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const target = place();
      mkdirSync(target);
      const args = [
        'export',
        '--limit-download',
        '40',
        '--volume-size',
        '100k',
        '--output',
        join(target, 'x.tar'),
      ];
      const child = start(lifeboat(), args, { repository: home });
      await until(() => existsSync(join(target, 'x-002.tar.partial')));
      child.kill(signal);
      const { status } = await ended(child);
      if (signal === 'SIGINT') {
        assert.equal(status, 130);
        assert.deepEqual(readdirSync(target), []);
        continue;
      }
      assert.deepEqual(readdirSync(target), ['x-001.tar', 'x-002.tar.partial']);
      const { stderr } = await run(lifeboat(), ['import', join(target, 'x-001.tar')], { repository: home });
      assert.match(stderr, /x-001.tar is volume 1 of set \w+, and not the last one: volume 2 is missing/);
    }
  });

  test('needs room, and says so before it begins, or when another takes it away', async (t) => {
    const disk = mountSmallDisk(1024 * 1024);
    if (!disk) return t.skip('may not mount');
    t.after(disk.unmount);
    const file = join(disk.path, 'x.tar');
    writeFileSync(join(disk.path, 'filler'), Buffer.alloc(900 * 1024));
    const early = await run(lifeboat(), ['export', '--output', file], { repository: home });
    assert.equal(early.status, 1);
    assert.match(early.stderr, /needs about 1 MiB, and .* has 1 MiB free; nothing was written/);
    writeFileSync(join(disk.path, 'filler'), '');
    const child = start(lifeboat(), ['export', '--limit-download', '60', '--output', file], {
      repository: home,
    });
    await until(() => existsSync(`${file}.partial`));
    assert.throws(() => writeFileSync(join(disk.path, 'filler'), Buffer.alloc(2 ** 21)), { code: 'ENOSPC' });
    const { status, stderr } = await ended(child);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /cannot write .*x.tar: .*no space left.*\n\s+hint: free space there/i);
    assert.deepEqual(readdirSync(disk.path), ['filler']);
  });
});

describe('lifeboat import', { concurrency: 3 }, () => {
  test('killed on its way leaves a sound repository, and goes on from there', async () => {
    const file = place();
    await succeed(lifeboat(), ['export', '--output', file], { repository: home });
    const repository = await emptyRepository('same');
    const child = start(lifeboat(), ['import', '--limit-upload', '40', file], { repository });
    const packs = (): string[] =>
      existsSync(join(repository, 'data'))
        ? readdirSync(join(repository, 'data'), { recursive: true, encoding: 'utf8' }).filter((name) =>
            /^..\/[0-9a-f]{64}$/.test(name),
          )
        : [];
    await until(() => packs().length > 2);
    child.kill('SIGKILL');
    await ended(child);
    const before = packs().length;
    await succeed(lifeboat(), ['unlock'], { repository });
    await succeed(systemRestic, ['check', '--read-data'], { repository });
    assert.equal(await succeed(systemRestic, ['snapshots', '--json'], { repository }), '[]\n');
    const [summary] = await jsonLines(lifeboat(), ['import', file], { repository });
    assert.ok((summary!.packs_stored as number) <= (summary!.packs as number) - before);
    assert.equal((summary!.imported as unknown[]).length, 2);
    await succeed(systemRestic, ['check', '--read-data'], { repository });
  });

  test('names what is wrong with the volumes that it is given', async () => {
    const target = place();
    mkdirSync(target);
    const args = ['export', '--output', join(target, '%d.tar'), '--volume-size', '80k'];
    await succeed(lifeboat(), args, { repository: home });
    const volumes = readdirSync(target).map((_, at) => join(target, `${at + 1}.tar`));
    assert.ok(volumes.length > 3);
    const [first, second, third, ...rest] = volumes as [string, string, string];
    const refused = async (given: readonly string[], message: RegExp): Promise<void> => {
      const env = { LIFEBOAT_REPOSITORY: home, LIFEBOAT_PASSWORD: password };
      const { status, stderr } = await runForTest(['import', ...given], { env });
      assert.equal(status, 1, stderr);
      assert.match(stderr, message);
    };
    await refused([first, third, ...rest], /volume 2 of set \w+ is missing/);
    await refused([first, second, second, third, ...rest], /volume 2 was given twice: .*2.tar and .*2.tar/);
    const damaged = readFileSync(second);
    damaged[20_000]! ^= 16;
    writeFileSync(second, damaged);
    await refused(volumes, /volume 2 \(.*2.tar\) is damaged: data\/.* has another hash than its name says/);
    damaged[20_000]! ^= 16;
    writeFileSync(second, damaged.subarray(0, 30_000));
    await refused(volumes, /volume 2 \(.*2.tar\) is damaged: it ends at byte 30000, inside data\//);
    writeFileSync(second, damaged);
    await succeed(lifeboat(), ['import', '--verify-only', ...volumes.toReversed()], { repository: home });
  });

  test('asks for the password of an export with another key, never for one in the stream', async () => {
    const file = place();
    await succeed(lifeboat(), ['export', '--output', file, 'latest'], { repository: home });
    const other = await emptyRepository('other');
    const refused = await run(lifeboat(), ['import', file], { repository: other });
    assert.match(refused.stderr, /has another key than .*, so its own password is needed/);
    const wrong = { RESTIC_FROM_PASSWORD: 'wrong' };
    const mistaken = await run(lifeboat(), ['import', file], { repository: other, env: wrong });
    assert.equal(mistaken.status, 12);
    assert.match(mistaken.stderr, /hint: check LIFEBOAT_FROM_PASSWORD/);
    const input = readFileSync(file);
    const without = await run(lifeboat(), ['import', '-'], { repository: other, password: '', input });
    assert.match(without.stderr, /no password was given/);
    const alone = { RESTIC_FROM_PASSWORD: password };
    const printed = await succeed(lifeboat(), ['import', '--verify-only', file], { env: alone });
    assert.match(printed, /complete and sound: 1 snapshot/);
  });
});
