import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Id } from '../../model/id.ts';
import type { PackJob } from './pack-jobs.ts';
import { createPackStretches } from './pack-stretches.ts';

const mebibyte = 1024 * 1024;
const packBytes = 16 * mebibyte;

const job = (pack: number, start: number, end: number): PackJob => ({ pack, start, end }) as PackJob;
/** The jobs of a pack of which everything is wanted. */
const whole = (pack: number): PackJob[] =>
  [0, 4, 8, 12].map((at) => job(pack, at * mebibyte, (at + 4) * mebibyte));

/** A storage whose packs say at each MiB which one it is, and which notes what it is asked for. */
function storageOf(connections = 5) {
  const asked: string[] = [];
  let atOnce = 0;
  let atOnceMost = 0;
  return {
    asked,
    atOnceMost: () => atOnceMost,
    connections,
    async load(key: string, range?: { readonly offset: number; readonly length: number }): Promise<Buffer> {
      const { offset, length } = range!;
      asked.push(`${Number.parseInt(key.slice(-2), 16)}:${offset / mebibyte}+${length / mebibyte}`);
      atOnceMost = Math.max(atOnceMost, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, packBytes - offset)));
      for (let at = 0; at < bytes.length; at += mebibyte) bytes[at] = (offset + at) / mebibyte;
      return bytes;
    },
  };
}

const idOf = (pack: number): Id => pack.toString(16).padStart(64, '0') as Id;

async function work(
  stretches: ReturnType<typeof createPackStretches>,
  jobs: readonly PackJob[],
): Promise<void> {
  for (const each of jobs) {
    const source = await stretches.sourceOf(each);
    assert.ok('bytes' in source);
    assert.equal(source.bytes[each.start - source.offset], each.start / mebibyte);
    assert.ok(source.bytes.length >= each.end - source.offset);
    stretches.release(each);
  }
}

describe('stretches of packs', () => {
  it('are asked for once, whatever number of jobs share them', async () => {
    const storage = storageOf();
    const stretches = createPackStretches(storage, idOf);
    const jobs = [...whole(1), ...whole(2)];
    stretches.expect(jobs, false);
    await work(stretches, jobs);
    assert.deepEqual(storage.asked, ['1:0+16', '2:0+16']);
  });

  it('bridge small gaps, and leave out large ones', async () => {
    const storage = storageOf();
    const stretches = createPackStretches(storage, idOf);
    const jobs = [
      job(1, 0, mebibyte),
      job(1, 2 * mebibyte, 3 * mebibyte),
      job(1, 9 * mebibyte, 10 * mebibyte),
    ];
    stretches.expect(jobs, true);
    await work(stretches, jobs);
    assert.deepEqual(storage.asked, ['1:0+3', '1:9+1']);
  });

  it('of packs that later windows will read on in are fetched to their end', async () => {
    const storage = storageOf();
    const stretches = createPackStretches(storage, idOf);
    const [first, second, ...rest] = whole(1);
    stretches.expect([first!, second!], true);
    await work(stretches, [first!, second!]);
    stretches.expect(rest, false);
    await work(stretches, rest);
    assert.deepEqual(storage.asked, ['1:0+18']);
  });

  it('are fetched ahead over all connections, within bounds', async () => {
    const storage = storageOf(3);
    const stretches = createPackStretches(storage, idOf);
    const jobs = Array.from({ length: 20 }, (_, pack) => whole(pack)).flat();
    stretches.expect(jobs, false);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(storage.atOnceMost(), 3);
    assert.equal(storage.asked.length, 8, '128 MiB are held at most');
    await work(stretches, jobs);
    assert.equal(storage.asked.length, 20);
  });

  it('that were foreseen blob by blob serve the jobs that come of them', async () => {
    const storage = storageOf();
    const stretches = createPackStretches(storage, idOf);
    const blobs = Array.from({ length: 20 }, (_, pack) =>
      [3, 1, 2, 0].map((at) => job(pack, at * mebibyte, (at + 1) * mebibyte)),
    ).flat();
    stretches.expect(blobs, false);
    assert.equal(storage.asked.length, 5, 'asked for at once');
    await new Promise((resolve) => setImmediate(resolve));
    const jobs = Array.from({ length: 20 }, (_, pack) => job(pack, 0, 4 * mebibyte));
    stretches.expect(jobs, false);
    for (const blob of blobs) stretches.release(blob);
    await work(stretches, jobs);
    assert.equal(storage.asked.length, 20, 'none twice');
    assert.deepEqual(
      storage.asked.filter((asked) => !asked.endsWith(':0+4')),
      [],
    );
  });

  it('that were given up to make room are fetched again', async () => {
    const storage = storageOf();
    const stretches = createPackStretches(storage, idOf);
    const jobs = Array.from({ length: 12 }, (_, pack) => whole(pack));
    const turns = [0, 1, 2, 3].flatMap((turn) => jobs.map((ofPack) => ofPack[turn]!));
    stretches.expect(turns, false);
    await work(stretches, turns);
    assert.ok(storage.asked.length > 12);
  });

  it('that cannot be had are each job’s failure, and tried anew for the next', async () => {
    const storage = storageOf();
    let refusals = 1;
    const stretches = createPackStretches(
      {
        connections: 1,
        load: (key, range) =>
          refusals-- > 0 ? Promise.reject(new Error('no answer')) : storage.load(key, range),
      },
      idOf,
    );
    const [first, second] = whole(1);
    stretches.expect([first!, second!], false);
    await assert.rejects(stretches.sourceOf(first!), /no answer/);
    stretches.release(first!);
    await work(stretches, [second!]);
  });
});
