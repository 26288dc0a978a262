import { copyFileSync, existsSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { segmentName } from '../../model/wal.ts';
import { majorOf } from '../../sources/postgres/connection/server.ts';
import { writeMinimalConfiguration } from '../../sources/postgres/recovery/config-files.ts';
import {
  type Account,
  removeMarker,
  runningServer,
  writeMarker,
} from '../../sources/postgres/recovery/data-directory.ts';
import { findServerPrograms, type ServerPrograms } from '../../sources/postgres/recovery/programs.ts';
import { type RecoveryServer, startRecoveryServer } from '../../sources/postgres/recovery/recovery-server.ts';
import { recoverySettingLines } from '../../sources/postgres/recovery/recovery-settings.ts';
import {
  type StartedServer,
  startServer,
  stopServer,
} from '../../sources/postgres/recovery/server-control.ts';
import {
  withCopySettings,
  withoutRecoverySettings,
  withRecoverySettings,
} from '../../sources/postgres/recovery/settings-file.ts';
import { createSpool, type Spool } from '../../sources/postgres/recovery/spool.ts';
import type { RestoreCounts } from '../restore/request.ts';
import { bringConfiguration, configurationOf } from './configuration.ts';
import { copySettings, fitBesideOthers, isCopy } from './copy.ts';
import { type Feed, type FeedProgress, startFeed } from './feed.ts';
import { demandClearWay } from './obstacles.ts';
import { aheadBytes, feedLimit, type PlanInput, type RecoveryPlan } from './plan.ts';
import { stopAtOf } from './plan-steps.ts';
import { awaitRecovery, type ReachedPoint, verifyReached } from './replay.ts';
import {
  type ClusterRestore,
  ownSegment,
  putControlInPlace,
  type RestoredFiles,
  restoreClusterFiles,
  takeControlAway,
  writeOwned,
} from './restore-cluster.ts';

export interface RecoverEvents {
  phase(what: string): void;
  files(what: string, counts: () => Readonly<RestoreCounts>): void;
  replay(progress: FeedProgress, lsn: string | null): void;
  warning(message: string): void;
}

export interface RecoveryExecution extends Omit<ClusterRestore, 'running'> {
  readonly input: PlanInput;
  readonly binDirectory: string | null;
  /** As in `RecoveryOptions`. */
  readonly port?: number | null | undefined;
  readonly silenceMs?: number;
  readonly lastCommitMs: () => Promise<number | null>;
  /** Called while the recovered server is up and nobody else can reach it. */
  readonly inspect?: (server: RecoveryServer, programs: ServerPrograms) => Promise<void>;
  /** Leave it as it is after the inspection: for a scratch server that is removed anyway. */
  readonly scratch?: boolean;
  /** More settings of the server that recovers. */
  readonly serverSettings?: Readonly<Record<string, string>>;
  readonly events: RecoverEvents;
}

export interface RecoveryReport {
  readonly plan: RecoveryPlan;
  readonly files: RestoredFiles;
  /** null where the server was left to the user. */
  readonly reached: ReachedPoint | null;
  readonly server: StartedServer | null;
  readonly durationsMs: {
    readonly files: number;
    readonly replay: number;
    readonly start: number;
    readonly total: number;
  };
  readonly notes: readonly string[];
}

const autoConf = 'postgresql.auto.conf';
const smallestAhead = 2;

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function writeSettings(work: RecoveryExecution, spool: Spool): void {
  const { plan, input, account } = work;
  const path = join(plan.dataDirectory, autoConf);
  const { choice, request, standby } = input;
  const lines = recoverySettingLines({
    stopAt: stopAtOf(request, choice),
    inclusive: request.inclusive,
    timeline: choice.legs[choice.legs.length - 1]!.timeline,
    restoreCommand: spool.restoreCommand,
    standby,
  });
  const kept = withCopySettings(readText(path), copySettings(work));
  writeOwned(path, withRecoverySettings(kept, lines), account);
  const [wanted, other] = standby
    ? ['standby.signal', 'recovery.signal']
    : ['recovery.signal', 'standby.signal'];
  writeOwned(join(plan.dataDirectory, wanted!), '', account);
  rmSync(join(plan.dataDirectory, other!), { force: true });
}

function aheadUnitsFor(work: RecoveryExecution): number {
  const { segmentBytes } = work.input.log.view;
  const { bavail, bsize } = statfsSync(work.plan.dataDirectory);
  // What is replayed stays in pg_wal for a while, and needs its place as well.
  const affordable = (bavail * bsize) / 4;
  return Math.max(smallestAhead, Math.floor(Math.min(aheadBytes, affordable) / segmentBytes));
}

function feedOf(work: RecoveryExecution, spool: Spool): Feed {
  const { input, plan, signal } = work;
  const { choice, log } = input;
  const { timeline } = choice.backup;
  return startFeed({
    log,
    legs: choice.legs,
    from: choice.backup.stop,
    limit: feedLimit(input),
    spool,
    own: (number) => ownSegment(plan.dataDirectory, segmentName({ timeline, number }, log.view.segmentBytes)),
    aheadUnits: input.start ? aheadUnitsFor(work) : null,
    signal,
  });
}

async function stopWhatRuns(work: RecoveryExecution, programs: ServerPrograms | null): Promise<void> {
  const { plan, input, account } = work;
  const { dataDirectory } = plan;
  if (!programs || !runningServer(dataDirectory)) return;
  work.events.phase('stopping the server');
  const config = configurationOf(dataDirectory, input.manifest);
  await stopServer({ dataDirectory, programs, account, config });
}

/**
 * Does what the plan says.
 * @throws LifeboatError `recovery-server-running`, `target-failed`, `restore-incomplete`, `recovery-failed`,
 *   `journal-damaged`, `tool-missing`, `cancelled`. What is at the target then cannot be started, or does not end
 *   its recovery; the same restore run again goes on from there.
 */
export async function executeRecovery(work: RecoveryExecution): Promise<RecoveryReport> {
  const { plan, input, account, events } = work;
  const { dataDirectory } = plan;
  const startedMs = performance.now();
  const notes: string[] = [];
  const needsPrograms = input.start || input.stopServer || plan.mode === 'resume';
  const programs = needsPrograms
    ? await findServerPrograms(majorOf(plan.serverVersion), work.binDirectory)
    : null;
  demandClearWay(work);
  await stopWhatRuns(work, programs);

  events.phase('restoring files');
  takeControlAway(dataDirectory);
  const restore: ClusterRestore = { ...work, running: events.files };
  const files = await restoreFiles(work, restore);
  notes.push(...bringConfiguration(input.configuration, dataDirectory, plan.source, account));
  const filesMs = performance.now() - startedMs;
  const spool = createSpool(dataDirectory, account, work.silenceMs);
  let feed: Feed | null = null;
  try {
    writeSettings(work, spool);
    feed = feedOf(work, spool);
    if (!input.start) {
      events.phase('fetching the log');
      await untilFed(feed, work);
      spool.complete();
    }
    await putControlInPlace(restore);
    if (!input.start || !programs) {
      removeMarker(dataDirectory);
      const durationsMs = { files: filesMs, replay: 0, start: 0, total: performance.now() - startedMs };
      return { plan, files, reached: null, server: null, durationsMs, notes };
    }
    const reached = await replay(work, programs, spool, feed, notes);
    const replayMs = performance.now() - startedMs - filesMs;
    const beforeStartMs = performance.now();
    const server = work.scratch ? null : await finish(work, programs, spool, notes);
    const endMs = performance.now();
    const durationsMs = {
      files: filesMs,
      replay: replayMs,
      start: endMs - beforeStartMs,
      total: endMs - startedMs,
    };
    return { plan, files, reached, server, durationsMs, notes };
  } finally {
    feed?.stop();
    spool.close();
  }
}

async function restoreFiles(work: RecoveryExecution, restore: ClusterRestore): Promise<RestoredFiles> {
  const { plan } = work;
  const marker = {
    version: 1,
    source: plan.source,
    system: plan.system,
    snapshot: plan.backup.snapshot,
  } as const;
  return restoreClusterFiles(restore, () => writeMarker(plan.dataDirectory, marker));
}

async function untilFed(feed: Feed, { events }: RecoveryExecution): Promise<void> {
  const timer = setInterval(() => events.replay(feed.progress(), null), 200);
  try {
    await feed.done;
  } finally {
    clearInterval(timer);
  }
}

async function replay(
  work: RecoveryExecution,
  programs: ServerPrograms,
  spool: Spool,
  feed: Feed,
  notes: string[],
): Promise<ReachedPoint> {
  const { plan, input, account, events, signal } = work;
  const { dataDirectory } = plan;
  const config = configurationOf(dataDirectory, input.manifest);
  if (config.missing) {
    const written = writeMinimalConfiguration(dataDirectory);
    giveTo(written, account);
    notes.push(
      `no configuration was found for this cluster, so a minimal one was written: ${written.join(', ')}`,
    );
  }
  events.phase('replaying the log');
  const server = startRecoveryServer({
    dataDirectory,
    programs,
    account,
    configFile: config.configFile,
    settings: work.serverSettings ?? {},
  });
  try {
    await awaitRecovery({ server, spool, feed, signal, progress: events.replay });
    const reached = await verifyReached(
      { input, log: server.log(), untaken: feed.untaken() },
      work.lastCommitMs,
    );
    feed.stop();
    await work.inspect?.(server, programs);
    return reached;
  } catch (error) {
    // Whatever was reached is not what was asked for, so nobody shall take it for that.
    await server.stop('immediate');
    takeControlAway(dataDirectory);
    copyFileSync(join(server.socket.folder, 'log'), join(dataDirectory, 'lifeboat-recovery.log'));
    throw error;
  } finally {
    await server.stop('fast');
    server.cleanUp();
  }
}

function giveTo(paths: readonly string[], account: Account | null): void {
  for (const path of paths) writeOwned(path, readFileSync(path), account);
}

async function finish(
  work: RecoveryExecution,
  programs: ServerPrograms,
  spool: Spool,
  notes: string[],
): Promise<StartedServer> {
  const { plan, input, account, events, signal } = work;
  const { dataDirectory } = plan;
  const path = join(dataDirectory, autoConf);
  writeOwned(path, withoutRecoverySettings(readText(path)), account);
  // Its sign of life is a file in the folder that goes.
  spool.close();
  rmSync(spool.folder, { recursive: true, force: true });
  removeMarker(dataDirectory);
  events.phase('starting the server');
  const place = { dataDirectory, programs, account, config: configurationOf(dataDirectory, input.manifest) };
  if (isCopy(work)) {
    const fit = await fitBesideOthers(place, typeof work.port === 'number');
    const given = copySettings(work).filter(([name]) => fit.more.every(([other]) => other !== name));
    writeOwned(path, withCopySettings(readText(path), [...given, ...fit.more]), account);
    notes.push(...fit.notes);
  }
  const server = await startServer(place, signal);
  if (server.logFile) notes.push(`the server's first messages are in ${server.logFile}`);
  return server;
}
