import type { Worker } from 'node:worker_threads';
import { type ErrorCode, errorRegistry, LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../../storage/storage.ts';
import { createTableMemory, type TableMemory } from '../index/table.ts';
import type { Repository } from '../repository.ts';
import type { Compression, FinishedPack, JobName, Jobs, WorkerMessage, WorkerSetup } from './protocol.ts';
import { takeThread, threadsDefault } from './threads.ts';

/** A pool of worker threads with one queue. Jobs start in order; the queue is the caller's to bound. */

/** A second job waits in the worker's mailbox, so that it never idles for an answer to travel. */
const jobsPerWorker = 2;

export interface PoolOptions {
  /** Index to look blobs up in and to claim new ones in. Without one, workers cannot store. */
  readonly table?: TableMemory;
  readonly compression?: Compression;
  /** Size at which a pack is full, in bytes. */
  readonly packBytes?: number;
  readonly workers?: number;
  /** Threads without a job do not keep the process alive. */
  readonly unrefIdle?: boolean;
  /** Called with each full pack; its buffer is the caller's to free. */
  readonly onPack?: (pack: FinishedPack) => void;
}

export interface WorkerPool {
  readonly size: number;
  /** Runs a job on whichever worker is free, or on the one named. */
  run<N extends JobName>(name: N, input: Jobs[N]['input'], onWorker?: number): Promise<Jobs[N]['output']>;
  /** Whether a worker has had a job yet; threads start with their first. */
  started(worker: number): boolean;
  /** Jobs that wait for a worker. */
  waiting(): number;
  /** Bytes of file content that the workers have processed so far. */
  progressBytes(): number;
  /** Makes running jobs stop at the next chunk. */
  cancel(): void;
  close(): Promise<void>;
}

interface QueuedJob {
  readonly number: number;
  readonly name: JobName;
  readonly input: unknown;
  readonly onWorker: number | undefined;
  readonly resolve: (output: never) => void;
  readonly reject: (error: Error) => void;
}

export const packBytesDefault = 16 * 1024 * 1024;

function rebuildError(message: WorkerMessage & { kind: 'failed' }): Error {
  const code = message.code in errorRegistry ? (message.code as ErrorCode) : 'internal';
  const error = new LifeboatError(code, message.message, message.hint === null ? {} : { hint: message.hint });
  error.stack = message.stack || error.stack!;
  return error;
}

/** A disk is no faster for several packs at once; a network is, up to the connections that the storage has. */
function packsUnderWay({ connections, localPath }: Storage, workers: number): number {
  return localPath('data/x') === null ? Math.ceil(connections / workers) : 1;
}

export function openPool(repository: Repository, options: PoolOptions = {}): WorkerPool {
  const size = options.workers ?? threadsDefault();
  const control = new SharedArrayBuffer(4);
  const progress = new SharedArrayBuffer(8 * size);
  const progressBytes = new Float64Array(progress);
  const table = options.table ?? createTableMemory();

  const queue: QueuedJob[] = [];
  const running = new Map<number, QueuedJob>();
  const busy: number[] = new Array<number>(size).fill(0);
  const workers: Worker[] = [];
  let nextJob = 0;
  let closed = false;
  let failure: Error | null = null;

  function fail(error: Error): void {
    failure ??= error;
    Atomics.store(new Int32Array(control), 0, 1);
    for (const job of [...running.values(), ...queue.splice(0)]) job.reject(failure);
    running.clear();
  }

  function receive(worker: number, message: WorkerMessage): void {
    if (message.kind === 'pack') {
      options.onPack?.(message);
      return;
    }
    const job = running.get(message.job);
    busy[worker]!--;
    if (options.unrefIdle && busy[worker] === 0) workers[worker]?.unref();
    if (job) {
      running.delete(message.job);
      if (message.kind === 'done') job.resolve(message.output as never);
      else job.reject(rebuildError(message));
    }
    dispatch();
  }

  function start(worker: number): Worker {
    const setup: WorkerSetup = {
      number: worker,
      key: repository.master,
      polynomial: repository.config.chunkerPolynomial,
      version: repository.config.version,
      compression: options.compression ?? 'auto',
      packBytes: options.packBytes ?? packBytesDefault,
      packsUnderWay: packsUnderWay(repository.storage, size),
      table,
      shared: { control, progress },
    };
    const thread = takeThread();
    thread.postMessage(setup);
    thread.on('message', (message: WorkerMessage) => receive(worker, message));
    thread.on('error', (error) => fail(error as Error));
    thread.on('exit', (status) => {
      if (!closed)
        fail(new LifeboatError('internal', `a worker thread ended unexpectedly with status ${status}`));
    });
    return thread;
  }

  function send(worker: number, job: QueuedJob): void {
    workers[worker] ??= start(worker);
    busy[worker]!++;
    if (options.unrefIdle) workers[worker].ref();
    running.set(job.number, job);
    workers[worker].postMessage({ job: job.number, name: job.name, input: job.input });
  }

  function dispatch(): void {
    for (let at = 0; at < queue.length; ) {
      const job = queue[at]!;
      const worker = job.onWorker ?? busy.indexOf(Math.min(...busy));
      if (busy[worker]! < jobsPerWorker) {
        queue.splice(at, 1);
        send(worker, job);
      } else if (job.onWorker === undefined) return;
      else at++;
    }
  }

  return {
    size,
    run<N extends JobName>(name: N, input: Jobs[N]['input'], onWorker?: number) {
      return new Promise<Jobs[N]['output']>((resolve, reject) => {
        if (failure || closed) {
          reject(failure ?? new LifeboatError('internal', 'the worker pool is closed'));
          return;
        }
        queue.push({ number: nextJob++, name, input, onWorker, resolve, reject });
        dispatch();
      });
    },
    started: (worker) => workers[worker] !== undefined,
    waiting: () => queue.length,
    progressBytes: () => progressBytes.reduce((sum, bytes) => sum + bytes, 0),
    cancel() {
      Atomics.store(new Int32Array(control), 0, 1);
    },
    async close() {
      closed = true;
      Atomics.store(new Int32Array(control), 0, 1);
      await Promise.all(workers.map((worker) => worker?.terminate()));
    },
  };
}
