import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ByteString, toPath } from '../core/bytestring.ts';
import { globFiles } from './glob-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'glob-'));
after(() => rmSync(folder, { recursive: true }));
for (const name of [
  'a.txt',
  'b.txt',
  '.hidden',
  '\xff.txt',
  'sub/c.txt',
  'sub/d/c.txt',
  '[x]',
  'sub2/e.txt',
]) {
  mkdirSync(join(folder, name, '..').replace('\xff', ''), { recursive: true });
  writeFileSync(toPath(`${folder}/${name}` as ByteString), '');
}
symlinkSync('nowhere', join(folder, 'dangling'));

const glob = (pattern: string): string[] | null =>
  globFiles(`${folder}/${pattern}` as ByteString)?.map((path) => path.slice(folder.length + 1)) ?? null;

test('patterns find what Go finds, in the order of bytes', () => {
  for (const [pattern, wanted] of [
    ['a.txt', ['a.txt']],
    ['*.txt', ['a.txt', 'b.txt', '\xff.txt']],
    ['?.txt', ['a.txt', 'b.txt', '\xff.txt']],
    ['[ab].txt', ['a.txt', 'b.txt']],
    ['*', ['.hidden', '[x]', 'a.txt', 'b.txt', 'dangling', 'sub', 'sub2', '\xff.txt']],
    ['.h*', ['.hidden']],
    ['*/c.txt', ['sub/c.txt']],
    ['sub*/*.txt', ['sub/c.txt', 'sub2/e.txt']],
    ['sub/**/c.txt', ['sub/d/c.txt']],
    ['\\[x\\]', ['[x]']],
    ['[[]x]', ['[x]']],
    ['dangling', ['dangling']],
    ['sub/', ['sub/']],
    ['none', []],
    ['none/*', []],
    ['a.txt/*', []],
    ['{a,b}.txt', []],
  ] as const)
    assert.deepEqual(glob(pattern), wanted, pattern);
});

test('malformed patterns are told apart from those that fit nothing', () => {
  for (const pattern of ['[', '[]', 'a/[b', '[a-', 'x\\', '[/*']) assert.equal(glob(pattern), null, pattern);
});
