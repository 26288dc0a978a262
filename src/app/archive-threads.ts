import { Worker } from 'node:worker_threads';
import { type ErrorCode, LifeboatError } from '../core/errors.ts';
import type { ArchiveStore, ArchiveStoreOptions } from '../engine/journal/push/store.ts';
import type { MasterKey } from '../repository/crypto.ts';

/** Archived files are stored by threads that each do all of the work for a file, so that no one waits for another. */

export interface ArchivePlace {
  readonly name: string;
  readonly location: string;
  readonly master: MasterKey;
}

export interface ArchiveSetup extends Pick<ArchiveStoreOptions, 'source' | 'acceptNewCluster' | 'server'> {
  readonly places: readonly ArchivePlace[];
}

export interface ArchiveJob {
  readonly job: number;
  readonly path: string;
  readonly mustBeReady: boolean;
}

type Stored = Awaited<ReturnType<ArchiveStore['store']>>;

export type ArchiveAnswer = { readonly job: number } & (
  | { readonly status: Stored; readonly error: null }
  | {
      readonly status: null;
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly hint: string | null;
      };
    }
);

export interface ArchiveThreads extends ArchiveStore {
  readonly size: number;
  close(): Promise<void>;
}

declare const LIFEBOAT_BUNDLED: boolean | undefined;

const threadModule =
  typeof LIFEBOAT_BUNDLED === 'undefined'
    ? new URL('./archive-worker.ts', import.meta.url)
    : new URL('./archive-worker.js', import.meta.url);

interface Running {
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: Error) => void;
  readonly thread: number;
}

export function startArchiveThreads(setup: ArchiveSetup, size: number): ArchiveThreads {
  const running = new Map<number, Running>();
  const busy: number[] = new Array<number>(size).fill(0);
  let nextJob = 0;
  const threads: (Worker | undefined)[] = [];

  function start(at: number): Worker {
    const thread = new Worker(threadModule, { stderr: false });
    thread.unref();
    thread.on('message', finish);
    thread.on('error', (error) => forget(at, thread, error));
    thread.on('exit', () => forget(at, thread, null));
    thread.postMessage(setup);
    return thread;
  }

  function finish(answer: ArchiveAnswer): void {
    const job = running.get(answer.job);
    if (!job) return;
    running.delete(answer.job);
    busy[job.thread]!--;
    if (answer.error === null) {
      job.resolve(answer.status);
      return;
    }
    const { code, message, hint } = answer.error;
    job.reject(new LifeboatError(code, message, hint === null ? {} : { hint }));
  }

  /** A thread that died takes its files with it, which are tried again; the next file gets a new thread. */
  function forget(at: number, thread: Worker, cause: unknown): void {
    if (threads[at] !== thread) return;
    threads[at] = undefined;
    busy[at] = 0;
    for (const [number, job] of running) {
      if (job.thread !== at) continue;
      running.delete(number);
      job.reject(new LifeboatError('internal', 'a thread that stores archived files died', { cause }));
    }
  }

  for (let at = 0; at < size; at++) threads[at] = start(at);
  return {
    size,
    store(path, mustBeReady) {
      return new Promise((resolve, reject) => {
        const thread = busy.indexOf(Math.min(...busy));
        const job = nextJob++;
        busy[thread]!++;
        running.set(job, { resolve, reject, thread });
        (threads[thread] ??= start(thread)).postMessage({ job, path, mustBeReady } satisfies ArchiveJob);
      });
    },
    async close() {
      await Promise.all(threads.splice(0).map((thread) => thread?.terminate()));
    },
  };
}
