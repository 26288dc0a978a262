import type { Lsn } from '../../../model/wal.ts';

/** How long ago the oldest log arrived that is not durable yet. */
export interface LagMeter {
  arrived(end: Lsn): void;
  lagMs(durable: Lsn): number;
}

const sampleEveryMs = 50;

export function createLagMeter(now: () => number = () => performance.now()): LagMeter {
  /** Log up to `end` had arrived at `atMs`, and what is behind it came later. */
  let samples: { end: Lsn; atMs: number }[] = [];
  return {
    arrived(end) {
      const last = samples.at(-1);
      const atMs = now();
      if (last && atMs - last.atMs < sampleEveryMs) last.end = end;
      else samples.push({ end, atMs });
    },
    lagMs(durable) {
      samples = samples.filter(({ end }) => end > durable);
      const oldest = samples[0];
      return oldest ? now() - oldest.atMs : 0;
    },
  };
}
