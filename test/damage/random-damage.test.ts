import { before, describe, test } from 'node:test';
import { type Random, randomOf, seed } from '../random.ts';
import { addCheapKey } from '../repositories/cheap.ts';
import { type Damage, proveHandled } from './damage.ts';
import { makeSample, type Sample } from './sample.ts';

const soak = process.env.LIFEBOAT_SOAK === '1';
const flipsOfEachKind = soak ? 80 : 7;
const otherDamageOfEachKind = soak ? 20 : 2;
/** Repairs of the quick run; the soak run repairs every time. */
const repairsOfEachKind = 3;

/** Kinds of files; packs by what is in them, and where. */
const kinds: Readonly<Record<string, (key: string, isTreePack: (key: string) => boolean) => boolean>> = {
  config: (key) => key === 'config',
  key: (key) => key.startsWith('keys/'),
  index: (key) => key.startsWith('index/'),
  snapshot: (key) => key.startsWith('snapshots/'),
  'pack of data': (key, isTreePack) => key.startsWith('data/') && !isTreePack(key),
  'pack of trees': (key, isTreePack) => key.startsWith('data/') && isTreePack(key),
};
const headerTailBytes = 120;

function flipped(key: string, bytes: Buffer, random: Random, inTail: boolean): Damage {
  const damaged = Buffer.from(bytes);
  const at = inTail
    ? bytes.length - 1 - random.below(Math.min(headerTailBytes, bytes.length))
    : random.below(bytes.length);
  const bit = random.below(8);
  damaged[at]! ^= 1 << bit;
  return { key, bytes: damaged, what: `bit ${bit} of byte ${at} of ${bytes.length} flipped` };
}

const otherDamages: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer | null>> = {
  truncated: (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  emptied: () => Buffer.alloc(0),
  'zero-filled from some place on': (bytes, random) =>
    Buffer.concat([bytes], bytes.length).fill(0, random.below(bytes.length - 64)),
  'with bytes added': (bytes, random) => Buffer.concat([bytes, random.bytes(1 + random.below(100))]),
  'with another block in its place': (bytes, random) => {
    const damaged = Buffer.from(bytes);
    const length = Math.min(64, bytes.length);
    return damaged
      .fill(random.bytes(length), random.below(bytes.length - length + 1))
      .subarray(0, bytes.length);
  },
  deleted: () => null,
};
/** What cannot be noticed: nothing refers to a snapshot or to one of several keys. */
const unnoticed = (kind: string, what: string): boolean =>
  what === 'deleted' && (kind === 'snapshot' || kind === 'key');

for (const version of [2, 1] as const) {
  describe(`damage to a repository of version ${version} (LIFEBOAT_SEED=${seed})`, () => {
    let sample: Sample;
    let treePacks: Set<string>;
    before(async () => {
      sample = await makeSample('damage', version);
      const repository = sample.on(sample.storage);
      await addCheapKey(sample.storage, repository.master, 'another');
      treePacks = await packsOfTrees(sample);
    });

    for (const [kind, belongs] of Object.entries(kinds)) {
      // The old version differs in the encoding of files only, so the quick run looks at one of each.
      const quick = version === 1 && !soak;
      const keys = (): string[] =>
        [...sample.storage.objects.keys()].filter((key) => belongs(key, (one) => treePacks.has(one)));

      test(`a flipped bit in a ${kind} is found, nothing false is read, and the rest is saved`, async () => {
        const random = randomOf(`flip ${kind} ${version}`);
        for (let n = 0; n < (quick ? 2 : flipsOfEachKind); n++) {
          const [key] = random.sample(keys(), 1);
          const bytes = sample.storage.objects.get(key!)!;
          await prove(sample, flipped(key!, bytes, random, n % 3 === 2), soak || n < repairsOfEachKind);
        }
      });

      for (const [what, apply] of Object.entries(otherDamages)) {
        if (unnoticed(kind, what)) continue;
        test(`a ${kind} ${what} is found, nothing false is read, and the rest is saved`, async () => {
          const random = randomOf(`${what} ${kind} ${version}`);
          for (let n = 0; n < (quick ? 1 : otherDamageOfEachKind); n++) {
            const [key] = random.sample(keys(), 1);
            const bytes = apply(sample.storage.objects.get(key!)!, random);
            await prove(sample, { key: key!, bytes, what }, soak || n === 0);
          }
        });
      }
    }
  });
}

async function prove(sample: Sample, damage: Damage, repair: boolean): Promise<void> {
  try {
    await proveHandled(sample, damage, repair);
  } catch (error) {
    throw new Error(`${damage.key}, ${damage.what}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

async function packsOfTrees(sample: Sample): Promise<Set<string>> {
  const { loadIndex } = await import('../../src/repository/index/blob-index.ts');
  const { keyOf } = await import('../../src/repository/layout.ts');
  const index = await loadIndex(sample.on(sample.storage));
  const found = new Set<string>();
  for (let entry = 0; entry < index.table.count(); entry++)
    if (index.table.typeOf(entry) === 'tree')
      found.add(keyOf('data', index.packId(index.table.packOf(entry))));
  return found;
}
