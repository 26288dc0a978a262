import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jobsTogether } from './jobs-together.ts';
import type { PackJob } from './pack-jobs.ts';
import type { PlannedFile } from './window.ts';

const file = (number: number, jobsLeft = 4): PlannedFile => ({ number, jobsLeft }) as PlannedFile;

/** A job with places of 32 KiB of the files at these chunks. */
function job(pack: number, files: readonly PlannedFile[], chunks: readonly number[], bytes = 32768): PackJob {
  const input = {
    placeOffsets: Float64Array.from(chunks, (chunk) => chunk * bytes),
    uncompressedLengths: Uint32Array.from(chunks, () => bytes),
  } as unknown as PackJob['input'];
  return { pack, start: 0, end: 0, files, input };
}

const even = (from: number): number[] => Array.from({ length: 8 }, (_, n) => from + 2 * n);
const packsOf = (jobs: readonly (readonly PackJob[])[]): number[][] =>
  jobs.map((each) => each.map(({ pack }) => pack));

describe('jobs done together', () => {
  const large = file(1);

  it('are those whose places take turns in one file', () => {
    const jobs = [
      job(0, [large], even(0)),
      job(1, [large], even(1)),
      job(2, [large], even(100)),
      job(3, [large], even(101)),
    ];
    assert.deepEqual(packsOf(jobsTogether(jobs)), [
      [0, 1],
      [2, 3],
    ]);
  });

  it('are those that take turns most often', () => {
    const first = [0, 3, 6, 9, 12, 15];
    const jobs = [
      job(0, [large], first),
      job(1, [large], [1, 30, 40, 50]),
      job(
        2,
        [large],
        first.map((chunk) => chunk + 2),
      ),
    ];
    assert.deepEqual(packsOf(jobsTogether(jobs)), [[0, 2], [1]]);
  });

  it('are not those that follow each other, have several files, or large parts', () => {
    const jobs = [
      job(0, [large], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
      job(1, [large], [9, 10, 11, 12, 13, 14, 15, 16, 17]),
      job(2, [large, file(2)], even(20)),
      job(3, [large], even(21)),
      job(4, [file(3)], even(0), 1024 * 1024),
      job(5, [file(3)], even(1), 1024 * 1024),
    ];
    assert.deepEqual(packsOf(jobsTogether(jobs)), [[0], [1], [2], [3], [4], [5]]);
  });
});
