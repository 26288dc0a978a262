import { setTimeout as sleep } from 'node:timers/promises';

/** Spreads bytes over time, for all transfers in one direction together. */
export interface Pacer {
  /** Resolves when this many bytes may go. */
  take(bytes: number): Promise<void>;
}

/** Room for one burst, so that small transfers need not wait for timers. */
const burstMs = 100;

export function createPacer(bytesPerSecond: number, now: () => number = () => performance.now()): Pacer {
  /** When all that was let go has gone at the rate. */
  let settledMs = Number.NEGATIVE_INFINITY;
  return {
    async take(bytes) {
      const nowMs = now();
      settledMs = Math.max(settledMs, nowMs - burstMs) + (bytes * 1000) / bytesPerSecond;
      const waitMs = settledMs - nowMs;
      if (waitMs > 0) await sleep(waitMs);
    },
  };
}
