import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/**
 * Worker threads, started ahead where a command knows that it will need them: they load their code while the
 * repository's key is derived. A thread gets its setup with its first message.
 */

declare const LIFEBOAT_BUNDLED: boolean | undefined;

const workerModule =
  typeof LIFEBOAT_BUNDLED === 'undefined'
    ? new URL('./worker.ts', import.meta.url)
    : new URL('./worker.js', import.meta.url);

const threadsMax = 8;

const waiting: Worker[] = [];

/** How many threads a pool has unless told otherwise. */
export function threadsDefault(): number {
  return Math.max(1, Math.min(availableParallelism(), threadsMax));
}

/** Starts threads for the next pool. They do not keep the process alive. */
export function warmThreads(count = threadsDefault()): void {
  while (waiting.length < count) {
    const thread = new Worker(workerModule, { stderr: false });
    thread.unref();
    waiting.push(thread);
  }
}

export function takeThread(): Worker {
  const thread = waiting.pop() ?? new Worker(workerModule, { stderr: false });
  thread.ref();
  return thread;
}
