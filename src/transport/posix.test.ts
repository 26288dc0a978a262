import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ByteString, bytesOfText, joinPath, toPath } from '../core/bytestring.ts';
import { errnoOf } from '../core/errors.ts';
import { openLibc } from './libc.ts';
import { posixPrograms } from './posix-programs.ts';
import type { PosixCalls } from './posix-types.ts';

const isRoot = process.geteuid?.() === 0;
const libc = openLibc() as PosixCalls;
const ways: readonly (readonly [string, PosixCalls])[] = [
  ['through the C library', libc],
  ['through programs', posixPrograms],
];
const oddNames = [
  'plain',
  'sp ace',
  '-dash',
  'new\nline',
  'quo"te\'s',
  '\xff\xfe',
  bytesOfText('ümlaut 😀'),
] as ByteString[];
const withErrno = (code: string) => (error: unknown) => errnoOf(error) === code;

test('Linux on a usual processor takes every call through the C library', {
  skip: process.platform !== 'linux' && 'needs Linux',
}, () => {
  assert.deepEqual(Object.keys(libc).sort(), Object.keys(posixPrograms).sort());
});

for (const [name, calls] of ways) {
  describe(name, { skip: calls.lstat === undefined && 'needs Linux' }, () => {
    let folder: ByteString;
    let file: ByteString;
    const at = (entry: string): ByteString => joinPath(folder, entry as ByteString);

    before(() => {
      folder = bytesOfText(mkdtempSync(join(tmpdir(), 'posix-')));
      file = at('file');
      writeFileSync(toPath(file), 'content');
    });
    after(() => rmSync(folder, { recursive: true }));

    test('stat tells what node:fs tells, in nanoseconds', () => {
      for (const entry of oddNames) {
        writeFileSync(toPath(at(entry)), 'content');
        const wanted = lstatSync(toPath(at(entry)), { bigint: true });
        const got = calls.lstat(at(entry));
        for (const key of ['mode', 'uid', 'gid', 'size', 'ino', 'dev', 'rdev', 'nlink'] as const) {
          assert.equal(BigInt(got[key]), wanted[key], key);
        }
        assert.equal(BigInt(got.mtimeSec) * 10n ** 9n + BigInt(got.mtimeNsec), wanted.mtimeNs);
        assert.equal(BigInt(got.ctimeSec) * 10n ** 9n + BigInt(got.ctimeNsec), wanted.ctimeNs);
        assert.equal(BigInt(got.atimeSec) * 10n ** 9n + BigInt(got.atimeNsec), wanted.atimeNs);
      }
    });

    test('stat of an open file is that of its path', () => {
      const fd = openSync(toPath(file), 'r');
      assert.deepEqual(calls.fstat(fd), calls.lstat(file));
      closeSync(fd);
    });

    test('failures carry the name of the errno', () => {
      assert.throws(() => calls.lstat(at('missing')), withErrno('ENOENT'));
      assert.throws(() => calls.listXattrs(at('missing')), withErrno('ENOENT'));
      assert.throws(
        () => calls.setXattr(at('missing'), 'user.a' as ByteString, Buffer.from('x')),
        withErrno('ENOENT'),
      );
      assert.throws(
        () => calls.setTimes(at('missing'), instant(1, 2), instant(3, 4), false),
        withErrno('ENOENT'),
      );
      assert.throws(() => calls.listXattrs(at('fi\0le')), withErrno('EINVAL'));
      assert.throws(() => calls.lstat(at('x'.repeat(5000))), withErrno('ENAMETOOLONG'));
    });

    test('attributes of any size and name are set, listed, read and removed', (t) => {
      const big = Buffer.alloc(3000, 7);
      if (!calls.setXattr(file, 'user.big' as ByteString, big)) {
        t.skip('needs a filesystem with extended attributes');
        return;
      }
      const odd = bytesOfText('user.ümlaut');
      assert.ok(calls.setXattr(file, odd, Buffer.from([0, 255, 10])));
      assert.ok(calls.setXattr(file, 'user.empty' as ByteString, Buffer.alloc(0)));
      assert.deepEqual(calls.listXattrs(file).sort(), ['user.big', 'user.empty', odd].sort());
      assert.deepEqual(calls.getXattr(file, 'user.big' as ByteString), big);
      assert.deepEqual(calls.getXattr(file, odd), Buffer.from([0, 255, 10]));
      assert.deepEqual(calls.getXattr(file, 'user.empty' as ByteString), Buffer.alloc(0));
      assert.equal(calls.getXattr(file, 'user.none' as ByteString), null);
      calls.removeXattr(file, 'user.none' as ByteString);
      for (const attribute of calls.listXattrs(file)) calls.removeXattr(file, attribute);
      assert.deepEqual(calls.listXattrs(file), []);
    });

    test('times are set to the nanosecond, on a symlink itself too', () => {
      symlinkSync('file', at('link'));
      for (const entry of [...oddNames, 'link' as ByteString]) {
        calls.setTimes(at(entry), instant(1_600_000_000, 1), instant(-1000, 999_999_999), false);
        const stat = calls.lstat(at(entry));
        assert.deepEqual(
          [stat.atimeSec, stat.atimeNsec, stat.mtimeSec, stat.mtimeNsec],
          [1_600_000_000, 1, -1000, 999_999_999],
        );
      }
      calls.setTimes(at('link'), instant(5, 0), instant(5_000_000_000, 7), true);
      const stat = calls.lstat(file);
      assert.deepEqual([stat.atimeSec, stat.mtimeSec, stat.mtimeNsec], [5, 5_000_000_000, 7]);
    });

    test('fifos get their permissions', () => {
      calls.mkfifo(at('-fifo'), 0o600);
      assert.equal(calls.lstat(at('-fifo')).mode, 0o010600);
      assert.throws(() => calls.mkfifo(at('-fifo'), 0o600), withErrno('EEXIST'));
    });

    test('devices get numbers beyond 8 bits', { skip: !isRoot && 'needs root' }, () => {
      const device = 259 * 256 + 0xff + 0xfff00 * 4096;
      calls.mknod(at('block'), 0o060600, device);
      calls.mknod(at('char'), 0o020600, 259);
      assert.equal(calls.lstat(at('block')).rdev, device);
      assert.equal(calls.lstat(at('block')).mode, 0o060600);
      assert.equal(calls.lstat(at('char')).rdev, 259);
    });

    test('holes and data cover the file', () => {
      const fd = openSync(toPath(at('sparse')), 'w+');
      ftruncateSync(fd, 10 << 20);
      writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, 4 << 20);
      const data = calls.seekData(fd, 0);
      assert.ok(data !== null && data <= 4 << 20);
      const hole = calls.seekHole(fd, 4 << 20);
      assert.ok(hole !== null && hole >= (4 << 20) + 4096 && hole <= 10 << 20);
      assert.equal(calls.seekData(fd, 10 << 20), null);
      closeSync(fd);
    });
  });
}

function instant(seconds: number, nanoseconds: number): { seconds: number; nanoseconds: number } {
  return { seconds, nanoseconds };
}

test('LIFEBOAT_NATIVE=0 keeps the C library out of it, and nothing is printed either way', () => {
  const script = `import { lstatFast } from ${JSON.stringify(new URL('posix.ts', import.meta.url).href)};
    console.log(lstatFast('/').mode);`;
  const run = (native: string): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', `${script}`], {
      env: { ...process.env, LIFEBOAT_NATIVE: native },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  assert.equal(run('0'), run('1'));
});
