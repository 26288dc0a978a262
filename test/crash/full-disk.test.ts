import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { localStorage } from '../../src/storage/local/local.ts';
import { randomOf, seed } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { mountSmallDisk, type SmallDisk } from '../storage/tmpfs.ts';
import { lifeboat, type ProgramEnd, stockRestic } from './lifeboat.ts';

const folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
const disks: SmallDisk[] = [];
after(() => {
  for (const disk of disks) disk.unmount();
  rmSync(folder, { recursive: true });
});

const random = randomOf('full disk', seed);

function makeFiles(name: string, count: number, bytes: number): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (let n = 0; n < count; n++) writeFileSync(join(path, `file ${n}`), random.bytes(bytes));
  return path;
}

const said = ({ stdout, stderr }: ProgramEnd): string => stdout + stderr;

describe('a full disk', { skip: process.geteuid?.() !== 0 && 'needs root' }, () => {
  let disk: SmallDisk | null = null;
  let repository: string;
  const small = makeFiles('small', 20, 20_000);
  const large = makeFiles('large', 20, 400_000);
  before(async () => {
    disk = mountSmallDisk(3_000_000);
    if (!disk) return;
    disks.push(disk);
    repository = join(disk.path, 'repository');
    await createCheapRepository(localStorage(repository));
  });

  const inRepository = (...args: string[]): Promise<ProgramEnd> =>
    lifeboat(folder, ...args, '-r', repository);
  const assertSound = async (): Promise<void> => {
    const checked = await stockRestic(folder, '-r', repository, 'check', '--read-data');
    assert.equal(checked.status, 0, said(checked));
  };
  const assertRestores = async (snapshot: string, source: string): Promise<void> => {
    const target = mkdtempSync(join(folder, 'restored-'));
    const restored = await inRepository('restore', snapshot, '--target', target);
    assert.equal(restored.status, 0, said(restored));
    for (const name of readdirSync(source))
      assert.ok(readFileSync(join(target, source, name)).equals(readFileSync(join(source, name))), name);
    rmSync(target, { recursive: true });
  };

  test('under the repository ends a backup with what to do, and harms nothing', async (t) => {
    if (!disk) return t.skip('needs root');
    const first = await inRepository('backup', small);
    assert.equal(first.status, 0, said(first));
    const second = await inRepository('backup', large);
    assert.equal(second.status, 1, said(second));
    assert.match(second.stderr, /Fatal: .*(ENOSPC|no space left)/);
    assert.match(second.stderr, /hint: free space at the repository/);
    assert.equal(readdirSync(join(repository, 'snapshots')).length, 1, 'no snapshot was made');
    assert.deepEqual(readdirSync(join(repository, 'locks')), []);
    assert.ok(!readdirSync(repository, { recursive: true }).some((name) => String(name).includes('-tmp-')));
    await assertSound();
    await assertRestores('latest', small);
  });

  test('is said with --json as well', async (t) => {
    if (!disk) return t.skip('needs root');
    const { status, stderr } = await inRepository('backup', large, '--json');
    assert.equal(status, 1);
    const last = JSON.parse(stderr.trim().split('\n').at(-1)!) as Record<string, unknown>;
    assert.equal(last.message_type, 'exit_error');
    assert.equal(last.error, 'storage-full');
  });

  test('can be got out of by prune, which needs little room', async (t) => {
    if (!disk) return t.skip('needs root');
    const pruned = await inRepository('prune');
    assert.equal(pruned.status, 0, said(pruned));
    await assertSound();
  });

  test('with room again takes the next backup', async (t) => {
    if (!disk) return t.skip('needs root');
    disk.resize(30_000_000);
    const { status, stderr } = await inRepository('backup', large);
    assert.equal(status, 0, stderr);
    await assertSound();
    await assertRestores('latest', large);
  });

  test('at the target ends a restore with what to do, and the next restore completes it', async (t) => {
    const target = mountSmallDisk(3_000_000);
    if (!target || !disk) return t.skip('needs root');
    disks.push(target);
    const into = join(target.path, 'restored');
    const failed = await inRepository('restore', 'latest', '--target', into);
    assert.equal(failed.status, 1, said(failed));
    assert.match(failed.stderr, /ENOSPC|no space left/);
    assert.match(failed.stderr, /hint: check space and permissions at the target/);
    assert.deepEqual(readdirSync(join(repository, 'locks')), []);
    target.resize(30_000_000);
    const again = await inRepository('restore', 'latest', '--target', into);
    assert.equal(again.status, 0, said(again));
    for (const name of readdirSync(large))
      assert.ok(readFileSync(join(into, large, name)).equals(readFileSync(join(large, name))), name);
  });
});
