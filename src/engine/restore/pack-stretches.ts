import type { Id } from '../../model/id.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import type { PackSource } from '../../repository/workers/protocol.ts';

/**
 * Where each request costs a round trip, the parts of a pack that jobs want are fetched as one stretch, which the
 * jobs then share; the next stretches are on their way meanwhile, and what later windows will want of a pack is
 * fetched along with it.
 */
export interface PackStretches {
  /** Takes the jobs of a window, in the order in which they will be asked for. `more`: further windows follow. */
  expect(jobs: readonly PackPart[], more: boolean): void;
  /** What a worker reads the job's blobs from. @throws LifeboatError of the storage. */
  sourceOf(job: PackPart): Promise<PackSource>;
  /** The job has been done, or never will be. */
  release(job: PackPart): void;
}

/** What is wanted of a pack: a job, or what will become one. */
export interface PackPart {
  readonly pack: number;
  readonly start: number;
  readonly end: number;
}

const mebibyte = 1024 * 1024;

/** Unwanted bytes between two jobs that are fetched rather than asked for separately (restic: maxUnusedRange). */
const gapBytesMax = mebibyte;
/** Larger packs are fetched in several stretches. */
const stretchBytesMax = 32 * mebibyte;
/** Reaches to the end of a pack of ordinary size, which is filled until it is over 16 MiB. */
const wholePackBytes = 18 * mebibyte;
/** A pack of which a window wants this much, or all from its beginning, was filled by one backup: more is wanted. */
const sequentialBytesMin = 3 * mebibyte;
const sequentialShareMin = 0.75;
/** Fetched ahead of the jobs, and kept for windows to come. */
const heldBytesMax = 128 * mebibyte;

interface Stretch {
  readonly pack: number;
  readonly start: number;
  end: number;
  /** Wanted by the jobs of its window. */
  wantedBytes: number;
  /** Null while it was not asked for, or was given up to make room. */
  bytes: Promise<Uint8Array> | null;
  jobsLeft: number;
  /** May be of use to a window to come. */
  kept: boolean;
}

/** @param packName the ID of a pack by its number in the index. */
export function createPackStretches(
  storage: Pick<Repository['storage'], 'load' | 'connections'>,
  packName: (pack: number) => Id,
): PackStretches {
  const ofJob = new Map<PackPart, Stretch>();
  /** Asked for, the one used longest ago first. */
  const held = new Set<Stretch>();
  /** Not asked for yet, in the order of the jobs. */
  let waiting: Stretch[] = [];
  let heldBytes = 0;
  let loading = 0;

  async function fetch({ pack, start, end }: Stretch): Promise<Uint8Array> {
    loading++;
    try {
      const bytes = await storage.load(keyOf('data', packName(pack)), { offset: start, length: end - start });
      // Shared memory goes to workers without being copied for each job.
      if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      return shared;
    } finally {
      loading--;
    }
  }

  function begin(stretch: Stretch): Promise<Uint8Array> {
    held.delete(stretch);
    held.add(stretch);
    if (stretch.bytes) return stretch.bytes;
    heldBytes += stretch.end - stretch.start;
    stretch.bytes = fetch(stretch);
    stretch.bytes.then(readAhead, () => drop(stretch)); // thrown where a job awaits it
    return stretch.bytes;
  }

  function drop(stretch: Stretch): void {
    if (!held.delete(stretch)) return;
    stretch.bytes = null;
    heldBytes -= stretch.end - stretch.start;
  }

  /** Lets go of what nobody waits for, then of what was used longest ago: it is fetched again where it is needed. */
  function makeRoom(bytes: number, also: (stretch: Stretch) => boolean): void {
    for (const stretch of held) {
      if (heldBytes + bytes <= heldBytesMax) return;
      if (stretch.jobsLeft === 0 || also(stretch)) drop(stretch);
    }
  }

  function readAhead(): void {
    while (waiting.length > 0 && loading < storage.connections) {
      const [next] = waiting as [Stretch];
      const bytes = next.end - next.start;
      if (next.bytes === null) makeRoom(bytes, () => false);
      if (next.bytes === null && heldBytes + bytes > heldBytesMax) return;
      waiting.shift();
      if (next.jobsLeft > 0) begin(next).catch(() => undefined); // thrown where a job awaits it
    }
  }

  function heldFor(job: PackPart): Stretch | undefined {
    for (const stretch of held)
      if (stretch.pack === job.pack && stretch.start <= job.start && job.end <= stretch.end) return stretch;
    return undefined;
  }

  /** Whether the rest of the pack is likely to be wanted as well. */
  function isSequential({ start, end, wantedBytes }: Stretch): boolean {
    return (
      wantedBytes >= (end - start) * sequentialShareMin && (start === 0 || wantedBytes >= sequentialBytesMin)
    );
  }

  /** New stretches for the jobs that no stretch at hand has; jobs of a pack come in the order of their places. */
  function plan(jobs: readonly PackPart[]): Stretch[] {
    const planned: Stretch[] = [];
    const open = new Map<number, Stretch>();
    for (const job of jobs) {
      const { pack, start, end } = job;
      let stretch = heldFor(job) ?? open.get(pack);
      const fits =
        stretch &&
        (stretch.bytes !== null ||
          (start >= stretch.start &&
            start - stretch.end <= gapBytesMax &&
            end - stretch.start <= stretchBytesMax));
      if (!stretch || !fits) {
        stretch = { pack, start, end, wantedBytes: 0, bytes: null, jobsLeft: 0, kept: false };
        open.set(pack, stretch);
        planned.push(stretch);
      }
      if (stretch.bytes === null) stretch.end = Math.max(stretch.end, end);
      stretch.wantedBytes += end - start;
      stretch.jobsLeft++;
      ofJob.set(job, stretch);
    }
    return planned;
  }

  return {
    expect(jobs, more) {
      const planned = plan([...jobs].sort((a, b) => a.pack - b.pack || a.start - b.start));
      for (const stretch of planned) {
        if (!more || !isSequential(stretch)) continue;
        stretch.end = Math.max(stretch.end, stretch.start + wholePackBytes);
        stretch.kept = true;
      }
      const first = new Set(jobs.map((job) => ofJob.get(job)!));
      waiting = [...waiting, ...[...first].filter((stretch) => stretch.bytes === null)];
      readAhead();
    },

    async sourceOf(job) {
      const stretch = ofJob.get(job)!;
      if (stretch.bytes === null) makeRoom(stretch.end - stretch.start, (other) => other !== stretch);
      const bytes = await begin(stretch);
      readAhead();
      return { bytes, offset: stretch.start };
    },

    release(job) {
      const stretch = ofJob.get(job);
      if (!stretch) return;
      ofJob.delete(job);
      if (--stretch.jobsLeft === 0 && !stretch.kept) drop(stretch);
      readAhead();
    },
  };
}
