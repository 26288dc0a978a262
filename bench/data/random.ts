/** A small generator of reproducible numbers (mulberry32): the same seed gives the same data on every machine. */
export interface Random {
  /** From 0 up to, not including, `limit`. */
  below(limit: number): number;
  fill(target: Buffer): Buffer;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
    fill(target) {
      for (let at = 0; at + 4 <= target.length; at += 4) target.writeUInt32LE(next(), at);
      return target;
    },
  };
}
