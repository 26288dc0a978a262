import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ErrorCode, hasCode } from '../../src/core/errors.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { testStorage } from './contract.ts';
import { mountSmallDisk } from './tmpfs.ts';

testStorage('local', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'storage-local-'));
  const root = join(parent, 'to be', 'created');
  return {
    connect: () => localStorage(root),
    refusesSecond: true,
    async leaveUnfinished(key) {
      const path = join(root, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}-tmp-1a2b3c4d5e6f`, 'of Lifeboat');
      await writeFile(`${path}-tmp-1234567890`, 'of restic');
    },
    close: () => rm(parent, { recursive: true }),
  };
});

const folder = mkdtempSync(join(tmpdir(), 'storage-local-'));
after(() => rmSync(folder, { recursive: true }));
const raised = (code: ErrorCode) => (error: unknown) => hasCode(error, code) && error.hint !== '';
const isRoot = process.geteuid?.() === 0;
const nobody = 65_534;

describe('local storage', () => {
  test('has private files, readable for the group where the config is', async () => {
    const root = join(folder, 'modes');
    const modeOf = (path: string): string => (statSync(join(root, path)).mode & 0o7777).toString(8);
    const storage = localStorage(root);
    await storage.create();
    await storage.save('config', []);
    await storage.save('keys/a', []);
    assert.deepEqual(
      [modeOf(''), modeOf('keys'), modeOf('keys/a'), modeOf('config')],
      ['700', '700', '400', '400'],
    );
    chmodSync(join(root, 'config'), 0o440);
    const later = localStorage(root);
    await later.save('data/ab/c', []);
    assert.deepEqual([modeOf('data'), modeOf('data/ab'), modeOf('data/ab/c')], ['750', '750', '440']);
  });

  test('lists what lies in a folder by the beginning of its names', async () => {
    const storage = localStorage(join(folder, 'names'));
    for (const key of ['a/one-1', 'a/one-2', 'a/other', 'a/one/below', 'b/one-1'])
      await storage.save(key, [Buffer.from('1')]);
    const found = await storage.listBeginning!('a/', 'one-');
    assert.deepEqual(found.map(({ key }) => key).sort(), ['a/one-1', 'a/one-2']);
    assert.deepEqual(await storage.listBeginning!('absent/', 'one-'), []);
  });

  test('says storage-failed where a file lies in the place of a folder', async () => {
    const root = join(folder, 'blocked');
    const storage = localStorage(root);
    await storage.create();
    await storage.save('data', []);
    await assert.rejects(storage.save('data/ab/c', []), raised('storage-failed'));
  });

  test('sees packs in a folder that was moved to another disk and linked', async () => {
    const root = join(folder, 'linked');
    const storage = localStorage(root);
    mkdirSync(join(folder, 'other disk', 'ab'), { recursive: true });
    mkdirSync(join(root, 'data'), { recursive: true });
    symlinkSync(join(folder, 'other disk', 'ab'), join(root, 'data', 'ab'));
    symlinkSync(join(folder, 'nowhere'), join(root, 'data', 'cd'));
    await storage.save('data/ab/pack', [Buffer.from('1234')]);
    assert.deepEqual(await storage.list('data/'), [{ key: 'data/ab/pack', size: 4 }]);
  });

  test('says storage-denied without the right to read or write', {
    skip: !isRoot && 'needs root',
  }, async () => {
    const root = join(folder, 'denied');
    const storage = localStorage(root);
    await storage.create();
    await storage.save('locks/a', [Buffer.from('x')]);
    chmodSync(folder, 0o755);
    chmodSync(root, 0o755);
    process.seteuid!(nobody);
    try {
      await assert.rejects(storage.load('locks/a'), raised('storage-denied'));
      await assert.rejects(storage.list('locks/'), raised('storage-denied'));
      await assert.rejects(storage.size('locks/a'), raised('storage-denied'));
      await assert.rejects(storage.remove('locks/a'), raised('storage-denied'));
      await assert.rejects(storage.save('locks/b', []), raised('storage-denied'));
      await assert.rejects(storage.save('new/b', []), raised('storage-denied'));
      await assert.rejects(localStorage(join(root, 'inner')).create(), raised('storage-denied'));
    } finally {
      process.seteuid!(0);
    }
  });

  test('says storage-full on a full disk, keeps what it had, and goes on once there is room', async (t) => {
    const disk = mountSmallDisk(1_000_000);
    if (!disk) return t.skip('needs root');
    try {
      const storage = localStorage(join(disk.path, 'repository'));
      await storage.create();
      const first = randomBytes(600_000);
      await storage.save('data/aa/first', [first]);
      const more = randomBytes(600_000);
      await assert.rejects(storage.save('data/bb/second', [more]), raised('storage-full'));
      await assert.rejects(storage.save('data/aa/first', [more]), raised('storage-full'));
      assert.deepEqual(await storage.list('data/'), [{ key: 'data/aa/first', size: 600_000 }]);
      assert.ok((await storage.load('data/aa/first')).equals(first));
      assert.deepEqual(
        readdirSync(join(disk.path, 'repository/data/bb')),
        [],
        'no temporary file takes space',
      );
      disk.resize(2_000_000);
      await storage.save('data/bb/second', [more]);
      assert.ok((await storage.load('data/bb/second')).equals(more));
    } finally {
      disk.unmount();
    }
  });

  test('says storage-denied on a disk that is mounted read-only', async (t) => {
    const disk = mountSmallDisk(1_000_000);
    if (!disk) return t.skip('needs root');
    try {
      const storage = localStorage(disk.path);
      await storage.save('data/aa/first', [Buffer.from('x')]);
      disk.remount('ro');
      await assert.rejects(storage.save('data/aa/second', []), raised('storage-denied'));
      await assert.rejects(storage.save('data/bb/third', []), raised('storage-denied'));
      await assert.rejects(storage.remove('data/aa/first'), raised('storage-denied'));
      assert.equal(String(await storage.load('data/aa/first')), 'x');
      disk.remount('rw');
    } finally {
      disk.unmount();
    }
  });

  test('syncs the file before the rename makes it visible, and the folders after', (t) => {
    if (process.platform !== 'linux') return t.skip('needs Linux');
    const root = join(folder, 'traced');
    const trace = join(folder, 'trace');
    mkdirSync(root);
    const storageModule = new URL('../../src/storage/local/local.ts', import.meta.url).href;
    const script = `const { localStorage } = await import(${JSON.stringify(storageModule)});
      await localStorage(${JSON.stringify(root)}).save('data/ab/pack', [Buffer.from('one'), Buffer.from('two')]);
      await localStorage(${JSON.stringify(root)}).save('data/ab/pack', [Buffer.from('three')]);`;
    const calls =
      'trace=mkdir,mkdirat,write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2';
    const { status, error } = spawnSync(
      'strace',
      ['-f', '-y', '-qq', '-o', trace, '-e', calls, process.execPath, '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    if (error || status !== 0) return t.skip('needs strace and the right to trace');
    assert.deepEqual(stepsOf(trace, root), [
      'make data',
      'sync .',
      'make data/ab',
      'sync data',
      'write data/ab/TEMPORARY',
      'write data/ab/TEMPORARY',
      'sync data/ab/TEMPORARY',
      'rename data/ab/TEMPORARY',
      'sync data/ab',
      'write data/ab/TEMPORARY',
      'sync data/ab/TEMPORARY',
      'rename data/ab/TEMPORARY',
      'sync data/ab',
    ]);
  });
});

/** What a trace says was done below a folder, in order; failed calls are left out. */
function stepsOf(trace: string, root: string): string[] {
  const steps: string[] = [];
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const call = /^\d+\s+(?:<\.\.\. )?(\w+)/.exec(line)?.[1] ?? '';
    const path = new RegExp(`${root}(/[^>",]*)?`).exec(line)?.[0];
    if (!path || / = -1 /.test(line)) continue;
    const name = path.slice(root.length + 1).replace(/pack-tmp-[0-9a-f]+/, 'TEMPORARY') || '.';
    const verb = call.startsWith('mkdir')
      ? 'make'
      : call.includes('sync')
        ? 'sync'
        : call.startsWith('rename')
          ? 'rename'
          : 'write';
    steps.push(`${verb} ${name}`);
  }
  return steps;
}
