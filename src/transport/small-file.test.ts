import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readSmallFile } from './small-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-small-file-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const pipe = (name: string): string => {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
};
const text = async (path: string, more = {}): Promise<string> =>
  (await readSmallFile(path, { bytesMax: 1024, ...more })).bytes.toString();

describe('a small file', () => {
  test('is read whole, and refused where it is larger than it may be', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'x'.repeat(1024));
    assert.equal((await text(path)).length, 1024);
    await assert.rejects(text(path, { bytesMax: 1023 }), /is larger than/);
    await assert.rejects(text('/dev/zero'), /is larger than 1 KiB/);
    assert.equal(await text('/dev/null'), '');
    await assert.rejects(text(folder), { code: 'EISDIR' });
    await assert.rejects(text(join(folder, 'none')), { code: 'ENOENT' });
  });

  test('may be a pipe, whose writer comes later and takes its time', async () => {
    const path = pipe('slow');
    const writer = spawn('/bin/sh', ['-c', 'sleep 0.1; { echo a; sleep 0.2; echo b; } > "$0"', path]);
    assert.equal(await text(path), 'a\nb\n');
    assert.notEqual(writer.pid, undefined);
  });

  test('that is a pipe nobody writes to, or a silent one, is given up', async () => {
    await assert.rejects(text(pipe('forgotten'), { openMs: 60 }), /nobody wrote to for 0\.06 s/);
    const silent = pipe('silent');
    const writer = spawn('/bin/sh', ['-c', 'exec sleep 5 > "$0"', silent]);
    await assert.rejects(text(silent, { silenceMs: 60 }), /gave nothing for 0\.06 s/);
    writer.kill();
    await assert.rejects(text(pipe('cancelled'), { signal: AbortSignal.timeout(30) }), { code: 'cancelled' });
  });
});
