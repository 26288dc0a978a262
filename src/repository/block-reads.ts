import type { ContentFacts, Storage } from '../storage/storage.ts';

const blockBytes = 256 * 1024;
/** Blocks kept: 16 MiB. */
const blocksMax = 64;

/**
 * A storage whose small ranged reads are served from blocks that are read once: the trees of a snapshot lie
 * close together in a few packs, and so do small files. Larger and whole reads pass through. Only for objects
 * that never change, as packs; what is saved or removed through it is not looked for in the blocks.
 */
export function withBlockReads(storage: Storage): Storage {
  const blocks = new Map<string, Promise<Buffer>>();

  function block(key: string, number: number, facts: ContentFacts | undefined): Promise<Buffer> {
    const name = `${key}:${number}`;
    let found = blocks.get(name);
    if (found === undefined) {
      found = storage.load(key, { offset: number * blockBytes, length: blockBytes }, facts);
      // A read that failed is tried anew the next time.
      found.catch(() => blocks.delete(name));
      const oldest = blocks.keys().next();
      if (blocks.size >= blocksMax && !oldest.done) blocks.delete(oldest.value);
    } else blocks.delete(name);
    // The map's order is that of use.
    blocks.set(name, found);
    return found;
  }

  return {
    ...storage,
    async load(key, range, facts) {
      if (range === undefined || range.length > blockBytes) return storage.load(key, range, facts);
      const { offset, length } = range;
      const first = Math.floor(offset / blockBytes);
      const start = offset - first * blockBytes;
      if (start + length <= blockBytes)
        return (await block(key, first, facts)).subarray(start, start + length);
      const both = Buffer.concat(await Promise.all([block(key, first, facts), block(key, first + 1, facts)]));
      return both.subarray(start, start + length);
    },
  };
}
