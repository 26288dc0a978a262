import { LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';
import { wrappedCapabilities } from './capability.ts';

/**
 * Gives up an operation that neither succeeds nor fails. Drivers that see bytes move notice a stuck request
 * themselves, and sooner; this is for what they miss.
 */
export interface WatchdogOptions {
  /** Without a byte moved, nothing takes longer. */
  readonly stuckMs: number;
  /** A connection slower than this counts as stuck. */
  readonly bytesPerSecondMin?: number;
}

const bytesPerSecondDefault = 16 * 1024;
/** What a whole object may have where its size is not known. */
const objectBytesMax = 128 * 1024 * 1024;

export function withWatchdog(storage: Storage, options: WatchdogOptions): Storage {
  const { stuckMs, bytesPerSecondMin = bytesPerSecondDefault } = options;

  async function watched<T>(action: string, bytes: number, work: () => Promise<T>): Promise<T> {
    const limitMs = stuckMs + (bytes * 1000) / bytesPerSecondMin;
    let timer: NodeJS.Timeout | undefined;
    const barked = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const seconds = Math.round(limitMs / 1000);
        reject(
          new LifeboatError(
            'storage-unreachable',
            `cannot ${action} at ${storage.location}: no answer within ${seconds} s`,
          ),
        );
      }, limitMs);
    });
    try {
      return await Promise.race([work(), barked]);
    } finally {
      clearTimeout(timer);
    }
  }

  const bytesOf = (parts: readonly Uint8Array[]): number =>
    parts.reduce((sum, { length }) => sum + length, 0);
  return {
    ...storage,
    create: () => watched('create the storage', 0, () => storage.create()),
    save: (key, parts, facts) =>
      watched(`write ${key}`, bytesOf(parts), () => storage.save(key, parts, facts)),
    load: (key, range) =>
      watched(`read ${key}`, range?.length ?? objectBytesMax, () => storage.load(key, range)),
    size: (key) => watched(`look for ${key}`, 0, () => storage.size(key)),
    list: (prefix) => watched(`list ${prefix}`, objectBytesMax, () => storage.list(prefix)),
    remove: (key) => watched(`delete ${key}`, 0, () => storage.remove(key)),
    ...wrappedCapabilities(storage, (method, work) =>
      watched(`do ${method}`, /^(?:list|versions|loadVersion)$/.test(method) ? objectBytesMax : 0, work),
    ),
  };
}
