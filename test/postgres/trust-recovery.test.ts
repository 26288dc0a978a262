import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../random.ts';
import { missingServer } from './programs.ts';
import {
  createTrustSite,
  endProcess,
  isServed,
  numbersIn,
  startIn,
  storedPieces,
  type TrustSite,
} from './trust-site.ts';
import { sourceName } from './workspace.ts';

describe('a recovery that cannot be right', { skip: missingServer('debian') }, () => {
  let site: TrustSite;
  before(async () => {
    site = await createTrustSite();
  });
  after(() => site?.destroy());
  beforeEach(() => site?.reset());

  /** Fails with a message like this, and leaves no server and no data directory that pretends to be recovered. */
  async function refuses(why: RegExp, name: string, ...args: string[]): Promise<void> {
    const target = site.folder(name);
    const { status, stdout, stderr } = await site.restore(target, ...args);
    assert.notEqual(status, 0, `${stdout}${stderr}`);
    assert.match(stderr, why);
    assert.doesNotMatch(stderr, /this is a defect/);
    assert.ok(!isServed(target), 'a server was left running');
    rmSync(target, { recursive: true, force: true });
  }

  const upTo = (n: number): string => Array.from({ length: n + 1 }, (_, at) => at).join(',');

  test('does not stand in the way of one that is', async () => {
    const commit = site.commits[5]!;
    for (const to of [commit.time, `lsn:${commit.lsn}`, `xid:${commit.xid}`]) {
      const target = site.folder('right');
      const { status, stderr } = await site.restore(target, '--no-start', '--to', to);
      assert.equal(status, 0, stderr);
      assert.equal(await numbersIn(target), upTo(commit.n), to);
    }
  });

  test('is refused where a slice is missing before its target', async () => {
    const pieces = storedPieces(site.workspace.repository);
    rmSync(pieces[Math.floor(pieces.length * 0.6)]!);
    await refuses(/missing|gap|no log|not stored/i, 'missing', '--to', `lsn:${site.commits.at(-1)!.lsn}`);
  });

  test('still reaches what lies before the missing slice', async () => {
    const pieces = storedPieces(site.workspace.repository);
    rmSync(pieces.at(-3)!);
    const target = site.folder('before-gap');
    const { status, stderr } = await site.restore(target, '--no-start', '--to', site.commits[3]!.time);
    assert.equal(status, 0, stderr);
    assert.equal(await numbersIn(target), upTo(4));
  });

  test('fails where a slice is damaged, wherever the damage is', async () => {
    const random = randomOf('damaged slices');
    for (const part of [0, 0.5, 0.999]) {
      site.reset();
      const pieces = storedPieces(site.workspace.repository);
      const piece = pieces[Math.floor(pieces.length * 0.6)]!;
      const bytes = readFileSync(piece);
      const at = Math.floor(part * bytes.length);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 + random.below(255)), at);
      rmSync(piece);
      writeFileSync(piece, bytes);
      await refuses(/damaged|corrupt/i, 'damaged', '--to', `lsn:${site.commits.at(-1)!.lsn}`);
    }
  });

  test('is refused where the target lies before the end of every backup', async () => {
    await refuses(/before|early/i, 'early', '--to', 'lsn:0/100000');
    await refuses(/before|early/i, 'early', '--to', '2001-01-01 00:00:00+00');
  });

  test('is refused where the target was never reached', async () => {
    await refuses(/cannot be reached/, 'late', '--to', 'lsn:7F/1000000');
    await refuses(/cannot be reached/, 'late', '--to', '2099-01-01 00:00:00+00');
  });

  test('fails where no such transaction or restore point is in the log', async () => {
    await refuses(/cannot be reached/, 'absent', '--to', 'xid:987654');
    await refuses(/cannot be reached/, 'absent', '--to', 'name:never_made');
  });

  test('is refused on a timeline that nobody knows', async () => {
    await refuses(/timeline/i, 'timeline', '--to', 'latest', '--timeline', '7');
  });

  test('is refused for a time without its zone', async () => {
    await refuses(/zone/i, 'zone', '--to', '2026-11-20 14:03:11');
  });

  test('goes on when it is run again after it was killed, at whatever moment', async () => {
    const random = randomOf('killed restores');
    const target = site.folder('killed');
    const commit = site.commits[8]!;
    const args = ['restore', sourceName, '--target', target, '--yes', '--no-start', '--to', commit.time];
    for (let round = 0; round < 3; round++) {
      const running = startIn(site.workspace, site.cluster, args);
      while (!existsSync(join(target, 'base')) && running.process.exitCode === null) await sleep(5);
      await sleep(random.below(200));
      await endProcess(running.process, 'SIGKILL');
      assert.ok(existsSync(target) && readdirSync(target).length > 0, running.output());
    }
    const { status, stdout, stderr } = await site.restore(target, '--no-start', '--to', commit.time);
    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.equal(await numbersIn(target), upTo(commit.n));
  });
});
