import type { Pacer } from '../pacer.ts';
import type { Storage } from '../storage.ts';
import { wrappedCapabilities } from './capability.ts';

/** Bounds what a storage is asked for at once, and how fast content goes there and comes back. */

export interface Limits {
  /** Operations at once; more wait their turn. */
  readonly connections?: number | undefined;
  /** For content that is saved, of drivers that do not pace it themselves. */
  readonly upload?: Pacer | null;
  /** For content that is loaded. */
  readonly download?: Pacer | null;
}

export function withLimits(storage: Storage, { connections, upload, download }: Limits): Storage {
  const turn = turnstile(connections ?? Number.POSITIVE_INFINITY);
  return {
    ...storage,
    connections: Math.min(storage.connections, connections ?? storage.connections),
    create: () => turn(() => storage.create()),
    save: (key, parts, facts) =>
      turn(async () => {
        if (upload) for (const { length } of parts) await upload.take(length);
        await storage.save(key, parts, facts);
      }),
    load: (key, range) =>
      turn(async () => {
        if (range) await download?.take(range.length);
        const bytes = await storage.load(key, range);
        if (!range) await download?.take(bytes.length);
        return bytes;
      }),
    size: (key) => turn(() => storage.size(key)),
    list: (prefix) => turn(() => storage.list(prefix)),
    remove: (key) => turn(() => storage.remove(key)),
    ...wrappedCapabilities(storage, (_, work) => turn(work)),
    // Who reads the files themselves cannot be slowed down.
    localPath: (key) => {
      const path = storage.localPath(key);
      return download ? null : path;
    },
  };
}

/** Runs work, at most `places` at once, in the order in which it came. */
function turnstile(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line.
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
