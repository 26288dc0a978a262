/** Measures throughput over the last half minute, so that an estimate follows what happens now. */
export interface RateMeter {
  /** @param elapsedMs since the start @param bytes done since the start */
  observe(elapsedMs: number, bytes: number): void;
  /** 0 until two observations lie apart in time. */
  bytesPerSecond(): number;
}

const windowMsDefault = 30_000;
/** Observations closer together than this replace each other, which bounds how many are kept. */
const stepMs = 250;

export function createRateMeter(windowMs = windowMsDefault): RateMeter {
  const observed: { elapsedMs: number; bytes: number }[] = [{ elapsedMs: 0, bytes: 0 }];
  return {
    observe(elapsedMs, bytes) {
      const beforeLast = observed.at(-2);
      if (beforeLast !== undefined && elapsedMs - beforeLast.elapsedMs < stepMs) observed.pop();
      observed.push({ elapsedMs, bytes });
      while (observed.length > 2 && elapsedMs - observed[1]!.elapsedMs >= windowMs) observed.shift();
    },
    bytesPerSecond() {
      const first = observed[0]!;
      const last = observed.at(-1)!;
      const ms = last.elapsedMs - first.elapsedMs;
      return ms > 0 ? ((last.bytes - first.bytes) * 1000) / ms : 0;
    },
  };
}
