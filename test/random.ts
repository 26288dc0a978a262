import { createCipheriv, createHash, randomInt } from 'node:crypto';

/** The seed of this run's random choices: LIFEBOAT_SEED, else one drawn now. A failing test prints it. */
export const seed = Number(process.env.LIFEBOAT_SEED ?? randomInt(2 ** 31));

export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  bytes(length: number): Buffer;
  /** `count` different items, in their order; all where there are no more. */
  sample<T>(items: readonly T[], count: number): T[];
}

/** A stream of random numbers that is the same for the same seed and name. */
export function randomOf(name: string, from: number = seed): Random {
  let drawn = 0;
  const draw = (): Buffer => createHash('sha256').update(`${from} ${name} ${drawn++}`).digest();
  const below = (limit: number): number => draw().readUIntBE(0, 6) % limit;
  return {
    below,
    bytes: (length) => createCipheriv('aes-256-ctr', draw(), Buffer.alloc(16)).update(Buffer.alloc(length)),
    sample(items, count) {
      const left = items.map((item, place) => ({ item, place }));
      const chosen: typeof left = [];
      while (chosen.length < count && left.length > 0) chosen.push(left.splice(below(left.length), 1)[0]!);
      return chosen.sort((a, b) => a.place - b.place).map(({ item }) => item);
    },
  };
}
