import { libraries, smallFiles } from '../data/sets.ts';
import { s3Place } from '../distance/s3.ts';
import type { Bench } from '../work.ts';
import { type DistantWork, distantCopy, distantFirst, distantRestore, distantUnchanged } from './distant.ts';

/** Of a first backup, as for a repository on the same machine. */
const bytesMax = 300e6;
const delayMs = 50;
const requestFactor = 1.2;

const near = { way: 'S3', open: () => s3Place(0) } as const;
const far = {
  group: 's3-delayed',
  way: `S3 with ${delayMs} ms more for each request`,
  open: () => s3Place(delayMs),
  factor: 2,
  requestFactor,
} as const;

export async function s3First(bench: Bench): Promise<void> {
  const work = { ...near, group: 's3-first', factor: 2 };
  await distantFirst(bench, { ...work, recipe: libraries, bytesMax });
  await distantFirst(bench, { ...work, recipe: smallFiles });
}

export async function s3Unchanged(bench: Bench): Promise<void> {
  await distantUnchanged(bench, { ...near, group: 's3-unchanged', factor: 3, recipe: smallFiles });
}

export async function s3Restore(bench: Bench): Promise<void> {
  const work = { ...near, group: 's3-restore', factor: 2 };
  await distantRestore(bench, { ...work, recipe: libraries });
  await distantRestore(bench, { ...work, recipe: smallFiles });
}

export async function s3Copy(bench: Bench): Promise<void> {
  await distantCopy(bench, { ...near, group: 's3-copy', factor: 2, recipe: libraries });
}

/** The same as if the bucket were far away. */
export async function s3Delayed(bench: Bench): Promise<void> {
  const works: readonly [(bench: Bench, work: DistantWork) => Promise<void>, DistantWork['recipe']][] = [
    [distantFirst, libraries],
    [distantFirst, smallFiles],
    [distantUnchanged, smallFiles],
    [distantRestore, libraries],
    [distantRestore, smallFiles],
  ];
  for (const [measureWork, recipe] of works) await measureWork(bench, { ...far, recipe });
}
