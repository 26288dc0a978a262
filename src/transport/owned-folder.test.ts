import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeOwnedFolder } from './owned-folder.ts';

test('a folder of a process that is gone is removed by the next one, and no other', (t) => {
  const place = mkdtempSync(join(tmpdir(), 'lifeboat-owned-'));
  t.after(() => rmSync(place, { recursive: true }));
  const mine = makeOwnedFolder(place, 'x-');
  assert.equal(statSync(mine).mode & 0o777, 0o700);
  const module = new URL('./owned-folder.ts', import.meta.url).href;
  const script = `import { makeOwnedFolder } from ${JSON.stringify(module)};
    process.stdout.write(makeOwnedFolder(${JSON.stringify(place)}, 'x-')); process.kill(process.pid, 'SIGKILL');`;
  const dead = spawnSync(process.execPath, ['--input-type=module', '-e', script]).stdout.toString();
  assert.ok(existsSync(dead), dead);
  const others = ['x-abcdef', 'y-00000000-1-1-abcdef', 'x-00000000-1-1-abcdef'].map((name) =>
    join(place, name),
  );
  for (const other of others) mkdirSync(other);
  makeOwnedFolder(place, 'x-');
  assert.ok(!existsSync(dead));
  for (const left of [mine, ...others]) assert.ok(existsSync(left), left);
});

test('a folder that cannot be made is an error', () => {
  assert.throws(() => makeOwnedFolder('/nonexistent', 'x-'), { code: 'ENOENT' });
});
