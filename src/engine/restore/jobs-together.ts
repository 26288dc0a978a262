import type { PackJob } from './pack-jobs.ts';

/** How often two jobs take turns, at least, for each place of the smaller one. */
const neighboursMin = 1 / 4;
/** Blobs larger than this on average are written one by one anyway. */
const placeBytesMax = 256 * 1024;

interface Pair {
  readonly a: number;
  readonly b: number;
  readonly neighbours: number;
}

/**
 * Writers spread the blobs of a file over several packs at random, restic as well as Lifeboat. Jobs whose places
 * lie in turns in the same large file are put together, so that one worker writes them as one stretch and two
 * workers do not write between each other's places.
 *
 * @returns the jobs, each once, by ones and twos, in the order of the first of them.
 */
export function jobsTogether(jobs: readonly PackJob[]): PackJob[][] {
  const partner = new Int32Array(jobs.length).fill(-1);
  for (const { a, b } of pairsOf(jobs)) {
    if (partner[a]! >= 0 || partner[b]! >= 0) continue;
    partner[a] = b;
    partner[b] = a;
  }
  const together: PackJob[][] = [];
  for (const [n, job] of jobs.entries()) {
    const other = partner[n]!;
    if (other < 0) together.push([job]);
    else if (other > n) together.push([job, jobs[other]!]);
  }
  return together;
}

/** Jobs that take turns, those that do so most often first. */
function pairsOf(jobs: readonly PackJob[]): Pair[] {
  const found: Pair[] = [];
  for (const single of byFile(jobs)) {
    if (single.length < 2) continue;
    const turns = new Map<number, number>();
    for (const [before, after] of neighboursIn(jobs, single)) {
      const key = Math.min(before, after) * jobs.length + Math.max(before, after);
      turns.set(key, (turns.get(key) ?? 0) + 1);
    }
    for (const [key, neighbours] of turns) {
      const [a, b] = [Math.floor(key / jobs.length), key % jobs.length];
      const places = Math.min(placesOf(jobs[a]!), placesOf(jobs[b]!));
      if (neighbours >= places * neighboursMin) found.push({ a, b, neighbours });
    }
  }
  return found.sort((one, other) => other.neighbours - one.neighbours);
}

const placesOf = (job: PackJob): number => job.input.placeOffsets.length;

/** Numbers of the jobs that have small parts of one file and of no other, for each file. */
function byFile(jobs: readonly PackJob[]): Iterable<number[]> {
  const groups = new Map<number, number[]>();
  for (const [n, { files, input }] of jobs.entries()) {
    const [file] = files;
    if (files.length !== 1 || !file || file.jobsLeft < 2) continue;
    const bytes = input.uncompressedLengths.reduce((sum, length) => sum + length, 0);
    if (bytes > placeBytesMax * input.uncompressedLengths.length) continue;
    const group = groups.get(file.number);
    if (group) group.push(n);
    else groups.set(file.number, [n]);
  }
  return groups.values();
}

/** Each two jobs, one after the other in the file, wherever it changes from one to the other. */
function* neighboursIn(jobs: readonly PackJob[], group: readonly number[]): Generator<[number, number]> {
  const places = group.reduce((sum, n) => sum + placesOf(jobs[n]!), 0);
  const offsets = new Float64Array(places);
  const owners = new Uint32Array(places);
  let at = 0;
  for (const n of group) {
    for (const offset of jobs[n]!.input.placeOffsets) {
      offsets[at] = offset;
      owners[at++] = n;
    }
  }
  const order = Uint32Array.from(offsets.keys()).sort((a, b) => offsets[a]! - offsets[b]!);
  for (let next = 1; next < order.length; next++) {
    const [before, after] = [owners[order[next - 1]!]!, owners[order[next]!]!];
    if (before !== after) yield [before, after];
  }
}
