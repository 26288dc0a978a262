import { type FSWatcher, watch } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../../core/errors.ts';
import type { WalSink } from '../../../model/wal-event.ts';
import { parseArchiveName } from './archive-name.ts';
import { type LocalServer, serveLocally } from './hand-over.ts';
import { type Markers, openMarkers } from './markers.ts';
import { isReady, listReady, statusFolder } from './ready-files.ts';
import { socketPath } from './run-folder.ts';
import type { ArchiveStore } from './store.ts';

/** The resident side of `lifeboat wal push`: stores what PostgreSQL has ready, also before it asks. */

export interface PushServiceOptions {
  readonly store: ArchiveStore;
  readonly source: string;
  readonly configPath: string;
  /** Of the server, as this machine sees it. */
  readonly dataDirectory: string;
  readonly runFolder: string;
  /** Store what is ready before it is asked for; without, only what is asked for. */
  readonly lookAhead: boolean;
  /** Files that are stored at the same time. */
  readonly filesAtOnce: number;
  readonly sink: WalSink;
}

export interface PushService {
  /** Ends serving; what is under way is ended first. */
  close(): Promise<void>;
}

/** Between two looks for files where the system does not tell of new ones, and after a failure. */
const lookEveryMs = 1000;
const retryAfterMs = 5000;

/** @throws LifeboatError `wal-receiver-running` where another process serves this data directory. */
export async function startPushService(options: PushServiceOptions): Promise<PushService> {
  const { store, sink, source, configPath, runFolder } = options;
  const dataDirectory = await realpath(options.dataDirectory);
  const underWay = new Map<string, Promise<void>>();
  const stored = new Set<string>();
  const retryAt = new Map<string, number>();
  let closing = false;
  let nudge = Promise.withResolvers<void>();

  /** @throws what `store` throws, and LifeboatError `wal-file-invalid` where the file is not ready. */
  function archive(name: string): Promise<void> {
    if (stored.has(name)) return Promise.resolve();
    const running = underWay.get(name);
    if (running) return running;
    const work = archiveNow(name).finally(() => {
      underWay.delete(name);
      nudge.resolve();
    });
    underWay.set(name, work);
    return work;
  }

  async function archiveNow(name: string): Promise<void> {
    const startedMs = performance.now();
    try {
      const path = join(dataDirectory, 'pg_wal', name);
      const status = await store.store(path, true);
      stored.add(name);
      retryAt.delete(name);
      await markers.add(name);
      sink({ kind: 'file-archived', name, status, tookMs: performance.now() - startedMs });
    } catch (error) {
      retryAt.set(name, Date.now() + retryAfterMs);
      sink({ kind: 'file-refused', name, error });
      throw error;
    }
  }

  /** Called for each `lifeboat wal push` that found no marker. */
  async function answer(request: unknown): Promise<object> {
    const asked = (request ?? {}) as Record<string, unknown>;
    const { name } = asked;
    if (typeof name !== 'string' || parseArchiveName(name) === null)
      throw new LifeboatError('wal-file-invalid', 'the request names no file that PostgreSQL archives');
    if (asked.source !== null && asked.source !== source) return { status: 'other' };
    if (asked.configPath !== null && asked.configPath !== configPath) return { status: 'other' };
    // Only PostgreSQL itself can say that a segment is complete; whoever asks may be anyone.
    if (!(await isReady(dataDirectory, name))) return { status: 'not ready' };
    await archive(name);
    return { status: 'stored' };
  }

  /** One look at what is ready: starts as much as fits, and forgets what PostgreSQL has taken note of. */
  async function look(): Promise<void> {
    const ready = await listReady(dataDirectory);
    const waiting = new Set(ready);
    for (const name of stored) if (!waiting.has(name)) stored.delete(name);
    for (const name of retryAt.keys()) if (!waiting.has(name)) retryAt.delete(name);
    await markers.keepOnly(waiting);
    if (!options.lookAhead) return;
    for (const name of ready) {
      if (underWay.size >= options.filesAtOnce) return;
      if (stored.has(name) || (retryAt.get(name) ?? 0) > Date.now()) continue;
      // Its failure was told; it is tried again later, or when PostgreSQL asks.
      void archive(name).catch(() => undefined);
    }
  }

  async function keepLooking(): Promise<void> {
    const watcher = watchFolder(statusFolder(dataDirectory), () => nudge.resolve());
    try {
      while (!closing) {
        nudge = Promise.withResolvers<void>();
        await look().catch((error: unknown) => sink({ kind: 'file-refused', name: 'pg_wal', error }));
        const pause = new AbortController();
        await Promise.race([
          nudge.promise,
          sleep(lookEveryMs, undefined, { signal: pause.signal }).catch(() => undefined),
        ]);
        pause.abort();
      }
    } finally {
      watcher?.close();
    }
  }

  const server: LocalServer = await serveLocally(socketPath(runFolder, dataDirectory), answer);
  let markers: Markers;
  try {
    markers = await openMarkers({
      runFolder,
      dataDirectory,
      source,
      configPath,
      lookAhead: options.lookAhead,
    });
  } catch (error) {
    await server.close();
    throw error;
  }
  const looking = keepLooking();

  return {
    async close() {
      closing = true;
      nudge.resolve();
      await looking;
      await Promise.allSettled(underWay.values());
      await server.close();
      await markers.clear();
    },
  };
}

/** Null where the system cannot watch a folder: then it is looked at from time to time. */
function watchFolder(folder: string, changed: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
