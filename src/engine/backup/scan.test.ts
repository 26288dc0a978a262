import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bytesOfText } from '../../core/bytestring.ts';
import { scanTargets } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'scan-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'a/b'), { recursive: true });
for (const name of ['one', 'a/two', 'a/b/three']) writeFileSync(join(folder, name), '12345');
symlinkSync('one', join(folder, 'link'));

const all = { keepPath: () => true, keepEntry: () => true };
const never = new AbortController().signal;
const targets = (...names: string[]) => names.map((name) => bytesOfText(join(folder, name)));

test('files and their bytes are counted once, links and folders are not', async () => {
  const totals = await scanTargets(targets('.', 'a', 'a/b'), all, never);
  assert.deepEqual([totals?.files, totals?.bytes], [3, 15]);
});

test('what is left out is not counted', async () => {
  const selection = { keepPath: (path: string) => !path.endsWith('two'), keepEntry: () => true };
  assert.equal((await scanTargets(targets('.'), selection, never))?.files, 2);
  const none = { keepPath: () => true, keepEntry: () => false };
  assert.equal((await scanTargets(targets('one'), none, never))?.files, 1, 'what is named is never left out');
});

test('what cannot be looked at never fails a scan', async () => {
  assert.equal((await scanTargets(targets('none'), all, never))?.files, 0);
  // Targets below others have these listed, which fails here.
  assert.equal(await scanTargets(targets('one', 'one/below'), all, never), null);
});
