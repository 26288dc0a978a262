import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { editBytes } from '../../bench/data/edits.ts';
import { createRandom } from '../../bench/data/random.ts';
import { measure } from '../../bench/measure/process.ts';
import { sideBySide } from '../../bench/measure/side-by-side.ts';
import { sampleOf } from '../../bench/measure/statistics.ts';
import { NotMeasured, settingsOf } from '../../bench/settings.ts';

const node = process.execPath;
const mebibyte = 1024 * 1024;
const holdsMemory = (mebibytes: number): string =>
  `globalThis.held = Buffer.alloc(${mebibytes * mebibyte}, 1); setTimeout(() => {}, 150)`;

describe('a measured process', () => {
  test('gives its time and output', async () => {
    const { seconds, stdout } = await measure({
      file: node,
      args: ['-e', 'setTimeout(() => console.log("done"), 100)'],
    });
    assert.ok(seconds >= 0.1 && seconds < 30);
    assert.equal(stdout, 'done\n');
  });

  test('counts the memory of its children as its own', {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, async () => {
    const child = `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(holdsMemory(100))}]);`;
    const alone = await measure({ file: node, args: ['-e', holdsMemory(100)] });
    const together = await measure({
      file: node,
      args: ['-e', `globalThis.held = Buffer.alloc(${80 * mebibyte}, 1);${child}`],
    });
    assert.ok(alone.peakBytes! > 100 * mebibyte && alone.peakBytes! < 200 * mebibyte);
    assert.ok(together.peakBytes! > 180 * mebibyte);
  });

  test('that fails is not measured, and the reason is what it said', async () => {
    const failing = measure({ file: node, args: ['-e', 'console.error("no such thing"); process.exit(3)'] });
    await assert.rejects(
      failing,
      (error) => error instanceof NotMeasured && /status 3: no such thing/.test(error.message),
    );
    await assert.rejects(measure({ file: 'no-such-program', args: [] }), NotMeasured);
  });

  test('does not see which repository its caller uses', async () => {
    process.env.RESTIC_REPOSITORY = '/nowhere';
    const { stdout } = await measure({ file: node, args: ['-p', 'process.env.RESTIC_REPOSITORY'] });
    delete process.env.RESTIC_REPOSITORY;
    assert.equal(stdout, 'undefined\n');
  });
});

test('programs take turns, and one that fails leaves the others to go on', async () => {
  const log: string[] = [];
  const settings = settingsOf(2, true, () => {});
  const contender = (name: string, script: string) => ({
    name,
    command: () => {
      log.push(name);
      return { file: node, args: ['-e', script] };
    },
    finish: () => 7,
  });
  const outcomes = await sideBySide(settings, 'test', [
    contender('good', ''),
    contender('bad', 'process.exit(1)'),
    contender('also good', ''),
  ]);
  assert.deepEqual(log, ['good', 'bad', 'also good', 'good', 'also good']);
  assert.ok(outcomes.get('bad') instanceof NotMeasured);
  const good = outcomes.get('good');
  assert.ok(good !== undefined && !(good instanceof NotMeasured));
  assert.equal(good.seconds.values.length, 2);
  assert.deepEqual(good.storedBytes?.values, [7, 7]);
});

test('the median of an even number of runs lies between the two in the middle', () => {
  const { median, least, most } = sampleOf([4, 1, 3, 2]);
  assert.deepEqual([median, least, most], [2.5, 1, 4]);
});

test('edits change the share of bytes that was asked for, and always the same ones', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-edits-'));
  try {
    const contents: Buffer[] = [];
    for (const seed of [1, 1]) {
      const original = createRandom(9).fill(Buffer.alloc(4 * mebibyte));
      writeFileSync(join(folder, 'file'), original);
      const edited = editBytes(folder, 0.05, seed);
      const now = readFileSync(join(folder, 'file'));
      let different = 0;
      for (let at = 0; at < now.length; at++) if (now[at] !== original[at]) different++;
      assert.equal(now.length, original.length);
      assert.ok(edited >= 0.05 * now.length && edited < 0.05 * now.length + 64 * 1024);
      assert.ok(different > 0.8 * edited && different <= edited);
      contents.push(now);
    }
    assert.ok(contents[0]!.equals(contents[1]!));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
