import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chdir, cwd } from 'node:process';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../src/core/bytestring.ts';
import { run, systemRestic } from '../programs.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

const isRoot = process.getuid?.() === 0;
const needsRoot = { skip: !isRoot && 'needs root' };

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('kinds');
});
afterEach(() => sandbox.remove());

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const newest = async () => sandbox.entries(await sandbox.latest(), sandbox.source);

async function ok(...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await sandbox.backup(...args);
  assert.equal(status, 0, stdout + stderr);
}

/** What restic says is in the newest snapshot, checked with it. */
async function resticAgrees(): Promise<void> {
  const { status, stdout, stderr } = await run(systemRestic, ['check', '--read-data'], {
    repository: sandbox.repository,
  });
  assert.equal(status, 0, stdout + stderr);
}

test('files at the edges of chunks, reads and paths of code come back', async () => {
  const kib = 1024;
  const edges = [0, 1, 64 * kib, 512 * kib, 8192 * kib, 32 * kib * kib];
  const sizes = edges.flatMap((size) => [size - 1, size, size + 1]).filter((size) => size >= 0);
  const random = randomBytes(33 * 2 ** 20);
  for (const size of sizes) sandbox.write(String(size), random.subarray(0, size));
  for (const workers of ['1', '2']) {
    await ok(sandbox.source, '--force', '--read-concurrency', workers);
    const entries = await newest();
    assert.equal(entries.size, new Set(sizes).size);
    for (const size of sizes) {
      const content = await sandbox.contentOf(entries.get(String(size)));
      assert.equal(content.length, size);
      assert.equal(sha256(content), sha256(random.subarray(0, size)), `${size} bytes`);
    }
  }
  const [first, second] = await sandbox.snapshots();
  const contents = async (of: typeof first) =>
    [...(await sandbox.entries(of!, sandbox.source))].map(([name, { content }]) => [name, content]);
  assert.deepEqual(await contents(first), await contents(second), 'however many workers cut them');
  await resticAgrees();
});

test('a file in /proc that claims to be empty is stored with its content', async () => {
  const { status, stderr } = await sandbox.backup(
    '/proc/sys/kernel/ostype',
    '/proc/version',
    '/sys/kernel/mm/transparent_hugepage/enabled',
  );
  assert.equal(status, 0, stderr);
  const entries = await sandbox.entries(await sandbox.latest());
  assert.equal(String(await sandbox.contentOf(entries.get('proc/sys/kernel/ostype'))), 'Linux\n');
  assert.match(String(await sandbox.contentOf(entries.get('proc/version'))), /^Linux version/);
  assert.ok(Number(entries.get('proc/version')!.size) > 10);
});

test('gigabytes of holes cost little time and memory', async () => {
  const bytes = (process.env.LIFEBOAT_SOAK === '1' ? 10 : 2) * 2 ** 30;
  sandbox.write('holes', '');
  truncateSync(sandbox.path('source/holes'), bytes);
  const start = performance.now();
  const before = process.memoryUsage.rss();
  await ok(sandbox.source, '--read-concurrency', '2');
  const seconds = (performance.now() - start) / 1000;
  const { size, content } = (await newest()).get('holes')!;
  assert.equal(size, bytes);
  assert.equal(new Set(content).size, 1);
  assert.ok(process.memoryUsage.rss() - before < 400 * 2 ** 20);
  assert.ok(seconds < 120, `${seconds} s`);
});

test('a folder of 20,000 entries is one tree', async () => {
  for (let n = 0; n < 20_000; n++) closeSync(openSync(`${sandbox.source}/${n}`, 'w'));
  await ok(sandbox.source);
  assert.equal((await newest()).size, 20_000);
  await resticAgrees();
});

describe('folders nested', () => {
  /** Made by steps, as the whole path is longer than a call takes. */
  function nest(levels: number, name: string): void {
    const script = `
      import { mkdirSync, writeFileSync } from 'node:fs';
      process.chdir(${JSON.stringify(sandbox.source)});
      for (let n = 0; n < ${levels}; n++) { mkdirSync('${name}'); process.chdir('${name}'); }
      writeFileSync('deepest', 'x');`;
    execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  }

  test('1,900 deep are saved', async () => {
    nest(1900, 'd');
    await ok(sandbox.source);
    const entries = await newest();
    assert.equal(entries.size, 1901);
    assert.equal([...entries.values()].filter(({ type }) => type === 'file').length, 1);
  });

  test('beyond the longest path are reported, and the rest is saved', async () => {
    nest(100, 'd'.repeat(100));
    sandbox.write('z', 'last');
    const { status, stderr } = await sandbox.backup(sandbox.source);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /ENAMETOOLONG|name too long/);
    const entries = await newest();
    assert.ok(entries.size > 30 && entries.size < 50);
    assert.ok(entries.has('z'));
    execFileSync('rm', ['-rf', sandbox.source]);
  });
});

test('an empty folder is a snapshot, but nothing at all is none', async () => {
  await ok(sandbox.source);
  assert.deepEqual([...(await newest()).keys()], []);
  const started = cwd();
  chdir(sandbox.source);
  try {
    for (const args of [['.'], ['.', '--exclude', '*']]) {
      const { status, stderr } = await sandbox.backup(...args);
      assert.equal(status, 1);
      assert.match(stderr, /nothing was saved/);
      sandbox.write('file');
      mkdirSync(sandbox.path('source/sub'), { recursive: true });
    }
    assert.equal((await sandbox.snapshots()).length, 1);
    chdir(sandbox.path('source/sub'));
    await ok('..');
    assert.deepEqual([...(await sandbox.entries(await sandbox.latest())).keys()], ['file', 'sub']);
  } finally {
    chdir(started);
  }
});

test('a target may be a file, a link, a fifo or a device', needsRoot, async () => {
  sandbox.write('file');
  symlinkSync('nowhere', sandbox.path('source/link'));
  execFileSync('mkfifo', [sandbox.path('source/fifo')]);
  execFileSync('mknod', [sandbox.path('source/null'), 'c', '1', '3']);
  const names = ['file', 'link', 'fifo', 'null'];
  await ok(...names.map((name) => sandbox.path(`source/${name}`)));
  const types = [...(await newest())].map(([name, { type }]) => [name, type]);
  assert.deepEqual(types, [
    ['fifo', 'fifo'],
    ['file', 'file'],
    ['link', 'symlink'],
    ['null', 'chardev'],
  ]);
});

test('a target behind a link to a folder keeps the name of the link, as a folder', async () => {
  sandbox.write('real/sub/file');
  symlinkSync('real', sandbox.path('source/link'));
  await ok(sandbox.path('source/link/sub'));
  const entries = await newest();
  assert.equal(entries.get('link')!.type, 'dir');
  assert.equal(entries.get('link/sub/file')!.type, 'file');
});

test('names of any bytes are taken from raw lists and come back', async () => {
  const names = [
    'new\nline',
    'quote"',
    "single'",
    'back\\slash',
    '\xff\xfe',
    ' ',
    '-dash',
    '*',
  ] as ByteString[];
  for (const name of names) sandbox.write(name, name);
  const list = sandbox.path('list');
  writeFileSync(list, Buffer.from(names.map((name) => `${sandbox.source}/${name}\0`).join(''), 'latin1'));
  await ok('--files-from-raw', list);
  const entries = await newest();
  assert.deepEqual([...entries.keys()].sort(), names.toSorted());
  for (const wrong of ['no zero at the end', 'an empty\0\0name\0']) {
    writeFileSync(list, wrong);
    const { status, stderr } = await sandbox.backup('--files-from-raw', list);
    assert.equal(status, 1);
    assert.match(stderr, /--files-from-raw/);
  }
});

describe('--files-from', () => {
  test('takes hidden files for a star, and warns of what fits nothing', async () => {
    sandbox.write('.hidden');
    sandbox.write('{a,b}');
    const list = sandbox.path('list');
    writeFileSync(list, `# all\r\n${sandbox.source}/*\r\n${sandbox.source}/none*\n`);
    const { status, stderr } = await sandbox.backup('--files-from', list);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /none\*" does not match any files/);
    assert.deepEqual([...(await newest()).keys()], ['.hidden', '{a,b}']);
  });

  test('reads standard input for a dash, and text in UTF-16', async () => {
    sandbox.write(bytesOfText('ö'));
    const { status, stderr } = await sandbox.backupWith(
      { stdin: `${sandbox.source}/ö\n` },
      '--files-from',
      '-',
    );
    assert.equal(status, 0, stderr);
    const list = sandbox.path('list');
    writeFileSync(list, `\ufeff${sandbox.source}/ö\n`, 'utf16le');
    await ok('--files-from', list);
    await ok('--files-from-verbatim', list);
  });

  test('refuses a malformed pattern and a list that is not there', async () => {
    const list = sandbox.path('list');
    writeFileSync(list, `${sandbox.source}/[\n`);
    assert.match((await sandbox.backup('--files-from', list)).stderr, /invalid pattern/);
    assert.match((await sandbox.backup('--files-from', sandbox.path('none'))).stderr, /cannot read/);
    writeFileSync(list, '# nothing\n');
    assert.equal((await sandbox.backup('--files-from', list)).status, 1);
  });
});

test('--one-file-system keeps a mount point and leaves out what is mounted', needsRoot, async () => {
  sandbox.write('file');
  const mounted = sandbox.path('source/mounted');
  mkdirSync(join(mounted, 'below'), { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat-test', mounted]);
  try {
    sandbox.write('mounted/inside');
    await ok(sandbox.source, '-x');
    assert.deepEqual([...(await newest()).keys()], ['file', 'mounted']);
    await ok(sandbox.source);
    assert.ok((await newest()).has('mounted/inside'));
    // A target on the other file system is asked for.
    await ok(sandbox.source, mounted, '-x');
    assert.ok((await newest()).has('mounted/inside'));
  } finally {
    execFileSync('umount', [mounted]);
  }
});

describe('without permission', needsRoot, () => {
  const root = join(import.meta.dirname, '..', '..');

  /** Runs the command line as a user who may read little. */
  function asNobody(...args: string[]) {
    chmodSync(sandbox.path(''), 0o755);
    execFileSync('chmod', ['-R', 'a+rwX', sandbox.repository]);
    const main = join(root, 'src/cli/main.ts');
    return spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, 'backup', '--read-concurrency=1', ...args],
      {
        uid: 65534,
        gid: 65534,
        encoding: 'utf8',
        env: {
          PATH: process.env.PATH,
          LIFEBOAT_REPOSITORY: sandbox.repository,
          LIFEBOAT_PASSWORD: 'test',
          HOME: '/nonexistent',
        },
      },
    );
  }

  test('a file or folder is reported, and the rest is saved', async (t) => {
    if (spawnSync('test', ['-r', join(root, 'src/cli/main.ts')], { uid: 65534, gid: 65534 }).status !== 0)
      return t.skip('needs root');
    sandbox.write('a', 'readable');
    chmodSync(sandbox.write('secret', 'x'), 0);
    sandbox.write('closed/inside');
    chmodSync(sandbox.path('source/closed'), 0);
    sandbox.write('z', 'last');
    const { status, stderr } = asNobody(sandbox.source);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /error: .*\/closed: .*(EACCES|permission denied)/);
    assert.match(stderr, /error: .*\/secret: .*(EACCES|permission denied)/);
    assert.match(stderr, /2 item\(s\) could not be read/);
    assert.deepEqual([...(await newest()).keys()], ['a', 'z']);
  });
});
