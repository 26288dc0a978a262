import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, LifeboatError, messageOf } from '../core/errors.ts';
import { journalPlaces } from '../engine/journal/journal-places.ts';
import { readSystemIdentifier } from '../engine/journal/push/archive-file.ts';
import { type LocalServer, serveLocally } from '../engine/journal/push/hand-over.ts';
import { beatForArchive } from '../engine/journal/push/quiet.ts';
import { makeRunFolder, socketPath } from '../engine/journal/push/run-folder.ts';
import { type PushService, startPushService } from '../engine/journal/push/service.ts';
import { createArchiveStore } from '../engine/journal/push/store.ts';
import { hasBackupBehind } from '../engine/journal/receive/gap-watch.ts';
import { createReceiver, type ReceiverStatus } from '../engine/journal/receive/receiver.ts';
import type { JournalSink } from '../journal/events.ts';
import type { JournalConfiguration, PostgresSource } from '../model/configuration.ts';
import type { WalSink } from '../model/wal-event.ts';
import type { Repository } from '../repository/repository.ts';
import { threadsDefault } from '../repository/workers/threads.ts';
import { readServerFacts } from '../sources/postgres/connection/server.ts';
import { openSqlSession } from '../sources/postgres/connection/session.ts';
import type { ConnectionSettings } from '../sources/postgres/connection/settings.ts';
import { type ArchiveThreads, startArchiveThreads } from './archive-threads.ts';
import type { SecretSurroundings } from './configuration/secret.ts';
import { isLocal } from './location.ts';
import { postgresConnection } from './postgres-connection.ts';

/** The resident process of a source's journal: the receiver, and whoever takes over archived files. */

export interface WalServiceOptions {
  readonly source: PostgresSource;
  readonly journal: JournalConfiguration;
  /** Absolute. */
  readonly configPath: string;
  readonly repositories: readonly {
    readonly name: string;
    readonly location: string;
    readonly repository: Repository;
  }[];
  readonly acceptNewCluster: boolean;
  readonly secrets: SecretSurroundings;
  readonly sink: WalSink;
  readonly journalSink: JournalSink;
  /** Called once with a way to ask how things are. */
  readonly onStart?: (status: () => WalStatus) => void;
}

export interface WalStatus {
  readonly way: JournalConfiguration['way'];
  readonly source: string;
  readonly pid: number;
  readonly startedAt: string;
  /** Data directory whose archived files are taken over; null for none. */
  readonly dataDirectory: string | null;
  /** null with `way: push`. */
  readonly receiver: ReceiverStatus | null;
  /** Archived files that could not be stored so far: the first of them. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

/** Where the process of a source answers. */
export function walServiceSocket(folder: string, configPath: string, source: string): string {
  return socketPath(folder, `${configPath}\0${source}`);
}

const retryMs = 5000;
const refusedShownMax = 10;

/**
 * Runs until the signal of `secrets` aborts.
 * @throws LifeboatError `wal-receiver-running`, and what trying again cannot help against.
 */
export async function runWalService(options: WalServiceOptions): Promise<void> {
  const { source, journal, secrets, sink } = options;
  const { signal, env } = secrets;
  const settings = await postgresConnection(source, secrets);
  const runFolder = await makeRunFolder(env);
  const startedAt = new Date().toISOString();
  const open = journalPlaces(options.repositories);
  const { places } = open;
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const receiver =
    journal.way === 'receive'
      ? createReceiver({
          settings,
          source: source.name,
          places,
          journal,
          acceptNewCluster: options.acceptNewCluster,
          gapIsClosed: (missing) => hasBackupBehind(options.repositories, source.name, missing),
          signal,
          sink,
          journalSink: options.journalSink,
        })
      : null;
  let dataDirectory: string | null = null;
  let threads: ArchiveThreads | null = null;
  let beating: Promise<void> = Promise.resolve();
  /** Files that PostgreSQL could not be relieved of, and why. */
  const refused = new Map<string, string>();
  const told: WalSink = (event) => {
    if (event.kind === 'file-refused') refused.set(event.name, messageOf(event.error));
    else if (event.kind === 'file-archived') for (const name of [event.name, 'pg_wal']) refused.delete(name);
    sink(event);
  };
  const status = (): WalStatus => ({
    way: journal.way,
    source: source.name,
    pid: process.pid,
    startedAt,
    dataDirectory,
    receiver: receiver?.status() ?? null,
    refused: [...refused].slice(0, refusedShownMax).map(([name, reason]) => ({ name, reason })),
  });

  async function takeOverFiles(found: LocalCluster): Promise<PushService> {
    const { systemIdentifier, major } = found;
    const facts = {
      source: source.name,
      acceptNewCluster: options.acceptNewCluster,
      server: major === null ? undefined : { systemIdentifier, major },
    };
    // Threads reach folders only; where a network is in between, this thread has time enough.
    if (journal.way === 'push' && options.repositories.every(({ location }) => isLocal(location))) {
      const inThreads = options.repositories.map(({ name, location, repository }) => ({
        name,
        location,
        master: repository.master,
      }));
      // One more than there are processors, as each waits for the disk now and then.
      threads = startArchiveThreads({ ...facts, places: inThreads }, threadsDefault() + 1);
    }
    const service = await startPushService({
      store: threads ?? createArchiveStore({ ...facts, places }),
      source: source.name,
      configPath: options.configPath,
      dataDirectory: found.dataDirectory,
      runFolder,
      // What the receiver brings need not be read a second time; PostgreSQL may ask for it all the same.
      lookAhead: journal.way === 'push',
      filesAtOnce: threads?.size ?? 1,
      sink: told,
    });
    dataDirectory = found.dataDirectory;
    if (journal.way === 'push') {
      const stream = { source: source.name, stream: systemIdentifier };
      beating = beatForArchive({ settings, dataDirectory, places, stream, signal: until, sink });
    }
    return service;
  }

  let server: LocalServer | null = null;
  let push: PushService | null = null;
  try {
    server = await serveLocally(walServiceSocket(runFolder, options.configPath, source.name), async () =>
      status(),
    );
    options.onStart?.(status);
    if (receiver) {
      const files = findLocalCluster(settings, source, until)
        .then(async (found) => {
          push = await takeOverFiles(found);
        })
        // A server elsewhere, or one that is down now: archive_command then stores by itself.
        .catch(() => undefined);
      try {
        await receiver.run();
      } finally {
        ended.abort();
        await files;
      }
    } else {
      const found = await waitForLocalCluster(settings, source, until, sink);
      if (found) {
        push = await takeOverFiles(found);
        await aborted(signal);
      }
    }
  } finally {
    ended.abort();
    await beating;
    await (push as PushService | null)?.close();
    await (threads as ArchiveThreads | null)?.close();
    await server?.close();
    await open.close();
  }
}

interface LocalCluster {
  readonly dataDirectory: string;
  readonly systemIdentifier: string;
  /** null where the server was not asked. */
  readonly major: number | null;
}

/**
 * The data directory of the source's server on this machine.
 * @throws LifeboatError `source-unreadable` where it is not here, and as `openSqlSession`.
 */
async function findLocalCluster(
  settings: ConnectionSettings,
  source: PostgresSource,
  signal: AbortSignal,
): Promise<LocalCluster> {
  const session = await openSqlSession(settings, { signal, applicationName: 'lifeboat' });
  try {
    const { major, systemIdentifier, dataDirectory: told } = await readServerFacts(session);
    const dataDirectory = source.dataDirectory ?? told;
    if (dataDirectory === null) {
      throw new LifeboatError('source-unreadable', 'the role may not see where the data directory is', {
        hint: 'grant it pg_read_all_settings, or name the folder as `data-directory` of the source',
      });
    }
    const found = await readSystemIdentifier(dataDirectory);
    if (found !== systemIdentifier) {
      throw new LifeboatError(
        'source-unreadable',
        `${dataDirectory} is the data directory of another server`,
      );
    }
    return { dataDirectory, systemIdentifier, major };
  } finally {
    await session.close();
  }
}

/** As `findLocalCluster`, also while the server is down. @returns null where the signal aborted. */
async function waitForLocalCluster(
  settings: ConnectionSettings,
  source: PostgresSource,
  signal: AbortSignal,
  sink: WalSink,
): Promise<LocalCluster | null> {
  for (let attempts = 1; !signal.aborted; attempts++) {
    try {
      return await findLocalCluster(settings, source, signal);
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof LifeboatError && error.retryable)) throw error;
      if (source.dataDirectory !== null && hasCode(error, 'database-unreachable')) {
        const systemIdentifier = await readSystemIdentifier(source.dataDirectory);
        return { dataDirectory: source.dataDirectory, systemIdentifier, major: null };
      }
      sink({ kind: 'connection-lost', error, attempts, retryInMs: retryMs });
      await sleep(retryMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }
  return null;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    // A signal alone does not keep a process running.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(alive);
        resolve();
      },
      { once: true },
    );
  });
}
