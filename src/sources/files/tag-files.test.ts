import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bytesOfText } from '../../core/bytestring.ts';
import { readBeginning } from './tag-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tag-files-'));
after(() => rmSync(folder, { recursive: true }));
const read = (name: string, length: number): string | null => {
  const bytes = readBeginning(bytesOfText(folder), bytesOfText(name), length);
  return bytes === null ? null : Buffer.from(bytes).toString();
};

test('the beginning of a file, less where it is shorter, null where it is not there', () => {
  writeFileSync(join(folder, 'tag'), 'Signature: x');
  assert.equal(read('tag', 9), 'Signature');
  assert.equal(read('tag', 100), 'Signature: x');
  assert.equal(read('none', 9), null);
  assert.equal(read('tag/below', 9), null);
});

test('anything of the name will do where no beginning is asked for', { timeout: 10_000 }, () => {
  symlinkSync('nowhere', join(folder, 'dangling'));
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  for (const name of ['tag', 'dangling', 'fifo']) assert.equal(read(name, 0), '');
  assert.equal(read('none', 0), null);
});

test('a fifo is not waited for', { timeout: 10_000 }, () => {
  assert.equal(read('fifo', 5), '');
});
