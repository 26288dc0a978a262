import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';
import { wrappedCapabilities } from './capability.ts';

/** Tries again what may pass: pauses double from half a second to a minute, each drawn at random up to that. */

export interface Retrying {
  /** Of the storage that is tried again, for messages. */
  readonly location: string;
  readonly error: LifeboatError;
  /** 1 for the first failure. */
  readonly attempt: number;
  readonly delayMs: number;
}

export interface RetryOptions {
  /** How long one operation is tried once the storage has answered. */
  readonly ceilingMs?: number | undefined;
  /** How often one operation is tried; without it only time counts. */
  readonly attemptsMax?: number | undefined;
  /** The same before its first answer: a wrong address should not take a quarter of an hour to notice. */
  readonly firstAnswerMs?: number;
  /** Once it has aborted, nothing is tried a second time, and pauses end. */
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: (retrying: Retrying) => void;
  /** The least pause and the greatest. */
  readonly pauseMs?: readonly [number, number];
}

export const retryCeilingMs = 15 * 60_000;
const firstAnswerDefaultMs = 60_000;
const pausesMs = [500, 60_000] as const;

/** Failures that waiting may cure without anybody doing something. A full disk is not among them. */
function mayPass(error: unknown): error is LifeboatError {
  return hasCode(error, 'storage-failed', 'storage-unreachable', 'storage-throttled');
}

function interrupted(error: LifeboatError, signal: AbortSignal | undefined): LifeboatError {
  if (signal?.reason instanceof LifeboatError) return signal.reason;
  return new LifeboatError('cancelled', `interrupted: ${error.message}`, { cause: error });
}

export function withRetry(storage: Storage, options: RetryOptions = {}): Storage {
  const { signal, onRetry, ceilingMs = retryCeilingMs, attemptsMax = Number.POSITIVE_INFINITY } = options;
  const firstAnswerMs = Math.min(options.firstAnswerMs ?? firstAnswerDefaultMs, ceilingMs);
  const [pauseMinMs, pauseMaxMs] = options.pauseMs ?? pausesMs;
  let answered = false;

  async function trying<T>(work: (attempt: number) => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await work(attempt);
        answered = true;
        return result;
      } catch (error) {
        if (!mayPass(error)) {
          answered = true;
          throw error;
        }
        const boundMs = Math.min(pauseMinMs * 2 ** (attempt - 1), pauseMaxMs);
        // Half of it at random: many clients that failed together do not come back together.
        const delayMs = boundMs / 2 + (Math.random() * boundMs) / 2;
        const limitMs = answered ? ceilingMs : firstAnswerMs;
        if (signal?.aborted) throw interrupted(error, signal);
        if (attempt >= attemptsMax) throw error;
        if (performance.now() - startedMs + delayMs > limitMs) throw error;
        onRetry?.({ location: storage.location, error, attempt, delayMs });
        await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => {
          throw interrupted(error, signal);
        });
      }
    }
  }

  return {
    ...storage,
    create: () => trying(() => storage.create()),
    save: (key, parts, facts) => trying(() => storage.save(key, parts, facts)),
    load: (key, range) => trying(() => storage.load(key, range)),
    size: (key) => trying(() => storage.size(key)),
    list: (prefix) => trying(() => storage.list(prefix)),
    remove: (key) =>
      trying((attempt) =>
        storage.remove(key).catch((error: unknown) => {
          // An earlier attempt did it, and only its answer was lost.
          if (attempt === 1 || !hasCode(error, 'storage-missing-file')) throw error;
        }),
      ),
    ...(storage.sweep && { sweep: (olderThanMs: number) => trying(() => storage.sweep!(olderThanMs)) }),
    ...wrappedCapabilities(storage, (_, work) => trying(work)),
  };
}
