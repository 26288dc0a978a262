import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { cacheDirectoryTag, parseTagFile } from '../../policy/exclude-if-present.ts';
import { compileFilter } from '../../policy/filter.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { absolutePath, createSelection, type SelectionRules } from './selection.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selection-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): ByteString => bytesOfText(join(folder, name));
function write(name: string, content = ''): ByteString {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), content);
  return at(name);
}

const select = (rules: Partial<SelectionRules>, warnings: string[] = []) =>
  createSelection(
    {
      excluded: [],
      tagFiles: [],
      sizeMax: undefined,
      oneFileSystem: undefined,
      warn: (message) => warnings.push(message),
      ...rules,
    },
    folder,
  );

test('relative paths are those of the working directory', () => {
  for (const [path, wanted] of [
    ['a', '/w/a'],
    ['./a/../b', '/w/b'],
    ['../a', '/a'],
    ['/x', '/x'],
  ])
    assert.equal(absolutePath(path as ByteString, '/w'), wanted);
});

test('without rules everything is kept', () => {
  const selection = select({});
  assert.ok(selection.keepPath(at('x')));
  assert.ok(selection.keepEntry(at('x'), statEntry(bytesOfText(folder))));
});

test('patterns see absolute paths', () => {
  const selection = select({ excluded: [compileFilter([bytesOfText(`${folder}/*.tmp`)])] });
  assert.equal(selection.keepPath(bytesOfText('a.tmp')), false);
  assert.equal(selection.keepPath(at('a.tmp')), false);
  assert.equal(selection.keepPath(at('sub/a.tmp')), true);
});

describe('a tag file', () => {
  const stat = {} as FileStat;

  test('keeps all but itself out of its folder', () => {
    write('a/.nobackup');
    const selection = select({ tagFiles: [parseTagFile('.nobackup')] });
    assert.equal(selection.keepEntry(at('a/x'), stat), false);
    assert.equal(selection.keepEntry(at('a/.nobackup'), stat), true);
    assert.equal(selection.keepEntry(at('b/x'), stat), true);
  });

  test('of another beginning excludes nothing, and is warned of once', () => {
    write('a/CACHEDIR.TAG', 'Signature: none');
    const warnings: string[] = [];
    const selection = select({ tagFiles: [cacheDirectoryTag] }, warnings);
    // The walk and the scan beside it ask by turns.
    for (const name of ['a/x', 'b/x', 'a/y', 'b/y', 'a/z']) assert.ok(selection.keepEntry(at(name), stat));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /CACHEDIR\.TAG has not the expected beginning/);
  });
});

test('size counts for files only', () => {
  const large = statEntry(write('large', 'x'.repeat(100)));
  const selection = select({ sizeMax: 99 });
  assert.equal(selection.keepEntry(at('large'), large), false);
  assert.equal(selection.keepEntry(at('large'), { ...large, size: 99 }), true);
  assert.equal(selection.keepEntry(at('large'), { ...large, size: 2n ** 60n }), false);
  assert.equal(selection.keepEntry(at('f'), { ...statEntry(bytesOfText(folder)), size: 1e9 }), true);
});

test('of other file systems only the mount point stays', () => {
  mkdirSync(join(folder, 'a/mounted/below'), { recursive: true });
  const selection = select({ oneFileSystem: [at('a')] });
  const here = statEntry(at('a/mounted'));
  const elsewhere = { ...here, dev: Number(here.dev) + 1 };
  assert.equal(selection.keepEntry(at('a/mounted'), here), true);
  assert.equal(selection.keepEntry(at('a/mounted'), elsewhere), true);
  assert.equal(selection.keepEntry(at('a/file'), { ...elsewhere, mode: 0o100644 }), false);
  // A target that is gone, or a parent that is, leaves out and does not fail.
  assert.equal(selection.keepEntry(at('a/gone/x'), elsewhere), false);
  assert.equal(select({ oneFileSystem: [at('none')] }).keepEntry(at('none/x'), here), false);
});
