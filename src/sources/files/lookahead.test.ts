import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { lookAhead } from './lookahead.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lookahead-'));
  mkdirSync(join(folder, 'a/deep'), { recursive: true });
  mkdirSync(join(folder, 'b'));
  for (const name of ['a/one', 'a/deep/two', 'b/three', 'four']) writeFileSync(join(folder, name), name);
  symlinkSync('a', join(folder, 'link'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): ByteString => bytesOfText(name === '' ? folder : join(folder, name));
const all = (): boolean => true;
const soon = (): Promise<void> => sleep(50);

describe('looking ahead', () => {
  test('sees folders and what is in them, links not followed', async () => {
    const ahead = lookAhead([at('')], all);
    await soon();
    ahead.stop();
    const top = ahead.take(at(''))!;
    assert.deepEqual(top.names, ['a', 'b', 'four', 'link']);
    assert.equal(top.stats[2]!.size, 4);
    assert.equal(top.stats[3]!.mode >>> 12, 0o12);
    assert.deepEqual(ahead.take(at('a'))!.names, ['deep', 'one']);
    assert.deepEqual(ahead.take(at('a/deep'))!.names, ['two']);
    assert.equal(ahead.take(at('link')), null);
  });

  test('gives what it saw once', async () => {
    const ahead = lookAhead([at('')], all);
    await soon();
    assert.ok(ahead.take(at('a')));
    assert.equal(ahead.take(at('a')), null);
  });

  test('does not look at what is left out', async () => {
    const ahead = lookAhead([at('')], (path) => path !== at('a'));
    await soon();
    assert.equal(ahead.take(at(''))!.stats[0], null);
    assert.equal(ahead.take(at('a')), null);
    assert.ok(ahead.take(at('b')));
  });

  test('stops when told to, and keeps what it saw', async () => {
    const ahead = lookAhead([at('')], (path) => {
      // Long enough for a turn of the event loop to come after the first folder.
      for (const start = performance.now(); path === at('b') && performance.now() - start < 10; );
      return true;
    });
    ahead.stop();
    await soon();
    assert.ok(ahead.take(at('')));
    assert.equal(ahead.take(at('a')), null);
  });

  test('passes over what cannot be listed or is not there', async () => {
    const ahead = lookAhead([at('none'), at('four'), at('b')], all);
    await soon();
    assert.equal(ahead.take(at('none')), null);
    assert.equal(ahead.take(at('four')), null);
    assert.ok(ahead.take(at('b')));
  });

  test('forgets what it saw long ago', async (t) => {
    const ahead = lookAhead([at('')], all);
    await soon();
    const now = performance.now();
    t.mock.method(performance, 'now', () => now + 60_000);
    assert.equal(ahead.take(at('')), null);
  });

  test('does not enter another file system', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat-test', join(folder, 'b')]);
    try {
      writeFileSync(join(folder, 'b/inside'), '');
      const ahead = lookAhead([at('')], all);
      await soon();
      assert.ok(ahead.take(at(''))!.stats[1], 'the mount point itself is seen');
      assert.equal(ahead.take(at('b')), null);
    } finally {
      execFileSync('umount', [join(folder, 'b')]);
    }
  });
});
