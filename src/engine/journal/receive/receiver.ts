import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, LifeboatError } from '../../../core/errors.ts';
import type { JournalPlace } from '../../../journal/envelope.ts';
import type { JournalSink } from '../../../journal/events.ts';
import type { JournalConfiguration } from '../../../model/configuration.ts';
import type { JournalStream } from '../../../model/journal.ts';
import { formatLsn, type Lsn, type WalRange } from '../../../model/wal.ts';
import type { WalAlarm, WalSink } from '../../../model/wal-event.ts';
import { openSqlSession, type SqlSession } from '../../../sources/postgres/connection/session.ts';
import {
  type ConnectionSettings,
  describeConnection,
} from '../../../sources/postgres/connection/settings.ts';
import type { WalMessage } from '../../../sources/postgres/replication/wal-stream.ts';
import { type BackgroundCompaction, startCompaction } from '../background-compaction.ts';
import { checkStream, otherCluster } from '../known-streams.ts';
import { type Alarms, createAlarms } from './alarms.ts';
import { watchGap } from './gap-watch.ts';
import { beat, type ReceivedEnd, readServerEnd, type ServerEnd } from './heartbeat.ts';
import { createLane, type Lane } from './lane.ts';
import { continueAfter, type StartPoint, startOfSegment } from './plan-start.ts';
import { preparePlaces, requireNotBehind, saveHistories, slotStart } from './prepare.ts';
import { ensureSlot, isStandby, type KnownServer, meetServer } from './server.ts';
import { alarmsOf, type SlotState, watchSlot } from './slot-watch.ts';

/** The resident receiver of one source's log by the physical replication protocol. */

export interface ReceiverOptions {
  readonly settings: ConnectionSettings;
  readonly source: string;
  readonly places: readonly JournalPlace[];
  readonly journal: JournalConfiguration;
  /** The user said that the cluster was replaced or upgraded. */
  readonly acceptNewCluster: boolean;
  /** How often a quiet server is looked at, and how long its log must not have moved; for tests. */
  readonly heartbeat?: { readonly everyMs: number; readonly settleMs: number };
  /** Whether a backup reaches behind log that is missing. Without it an alarm of a gap stands until the end. */
  readonly gapIsClosed?: (missing: WalRange) => Promise<boolean>;
  readonly gapLookEveryMs?: number;
  /** Aborting ends the receiver once all that arrived is durable. */
  readonly signal: AbortSignal;
  readonly sink: WalSink;
  readonly journalSink: JournalSink;
}

export interface ReceiverStatus {
  readonly source: string;
  readonly systemIdentifier: string | null;
  /** null while there is no connection. */
  readonly server: string | null;
  readonly timeline: number | null;
  readonly received: string | null;
  readonly durable: string | null;
  /** Age of the oldest log that arrived and is not durable. */
  readonly lagMs: number;
  /** Log that the server has and that is not durable. */
  readonly lagBytes: number | null;
  readonly places: readonly { readonly place: string; readonly durable: string; readonly failing: boolean }[];
  readonly slot: SlotState | null;
  readonly alarms: readonly WalAlarm[];
}

export interface Receiver {
  /** Resolves once the signal has aborted. @throws what trying again cannot help against. */
  run(): Promise<void>;
  status(): ReceiverStatus;
}

/** As pg_stat_replication shows it; it must not stand in synchronous_standby_names. */
export const applicationName = 'lifeboat_receiver';
const statusIntervalMs = 5000;
const slotLookEveryMs = 5000;
const heartbeatEveryMs = 10_000;
const gapLookEveryUsualMs = 30_000;
const heartbeatSettleMs = 1000;
const retryFirstMs = 250;
const retryMostMs = 15_000;
/** A predecessor that was killed may hold the slot for a moment. */
const busyPatienceMs = 10_000;
const closePatienceMs = 30_000;
/** Lets the last status reach the server. */
const farewellMs = 300;

export function createReceiver(options: ReceiverOptions): Receiver {
  const { source, places, journal, signal, sink, journalSink } = options;
  const alarms: Alarms = createAlarms(sink);
  let stream: JournalStream | null = null;
  let lane: Lane | null = null;
  let compaction: BackgroundCompaction | null = null;
  let server: KnownServer | null = null;
  let slotState: SlotState | null = null;
  let serverEnd: Lsn | null = null;
  /** @throws LifeboatError `wal-other-cluster` */
  async function recognize({ systemIdentifier }: KnownServer): Promise<JournalStream> {
    if (stream && stream.stream !== systemIdentifier) {
      alarms.raise({ kind: 'other-cluster', expected: stream.stream, found: systemIdentifier });
      throw otherCluster(source, stream.stream, systemIdentifier);
    }
    if (!stream) {
      const found = { source, stream: systemIdentifier };
      await checkStream(places, found, { acceptNew: options.acceptNewCluster });
      return found;
    }
    return stream;
  }

  function openLane(point: StartPoint, known: KnownServer, of: JournalStream): Lane {
    compaction ??= startCompaction({
      places,
      stream: of,
      unitBytes: known.unitBytes,
      pauseMs: 1000,
      sink,
      journalSink,
    });
    return createLane({
      places,
      stream: of,
      ...point,
      unitBytes: known.unitBytes,
      blockBytes: known.blockBytes,
      maxLagMs: journal.maxLagMs,
      sliceBytesMax: journal.sliceBytesMax,
      sink: journalSink,
      onWholeUnit: (unit) => compaction?.add(unit),
    });
  }

  /** Makes all of it durable, and lets it go. */
  async function finish(old: Lane): Promise<void> {
    await old.writer.close();
    if (lane === old) lane = null;
  }

  /** The lane to go on with after a new connection: the same one, or that of a timeline that followed. */
  async function chooseLane(known: KnownServer, of: JournalStream, restart: Lsn): Promise<Lane> {
    if (lane) {
      const held = { timeline: lane.timeline, start: 0n, end: lane.position() };
      requireNotBehind(of, [held], known.timeline);
      await saveHistories(places, of, known);
      const next = continueAfter([held], known.timeline, known.unitBytes);
      if (next?.timeline === lane.timeline) return lane;
      const left = lane;
      await finish(left);
      if (next) {
        sink({ kind: 'timeline-followed', from: left.timeline, to: next.timeline, at: left.position() });
        return openLane(next, known, of);
      }
    }
    const { point } = await preparePlaces(places, of, known, journalSink);
    return openLane(point ?? slotStart(restart, known), known, of);
  }

  /** Goes on where the slot begins, as the server has removed what comes before it. */
  async function skipGap(missed: Lane, known: KnownServer, of: JournalStream, restart: Lsn): Promise<Lane> {
    const next = slotStart(restart, known);
    const missing = { timeline: missed.timeline, start: missed.position(), end: next.start };
    if (next.timeline === missed.timeline && next.start <= missing.start) {
      throw new LifeboatError(
        'wal-removed',
        `the server has removed its log from ${formatLsn(missing.start)} on, which the slot ${journal.slot} should have kept`,
      );
    }
    await finish(missed);
    alarms.raise({ kind: 'gap', missing });
    return openLane(next, known, of);
  }

  /** One connection from login to its end. Resolves when the receiver is to stop, or a timeline has ended. */
  async function stay(): Promise<void> {
    const known = await meetServer(options.settings, applicationName);
    server = known;
    const left = new AbortController();
    let watching: Promise<void> = Promise.resolve();
    try {
      const of = await recognize(known);
      const { position, created } = await ensureSlot(known.session, journal.slot);
      if (created) sink({ kind: 'slot-created', slot: journal.slot });
      lane = await chooseLane(known, of, position.restart!);
      stream = of;
      alarms.clear('other-cluster');
      watching = watch(known, of, left.signal);
      try {
        await follow(known, of, lane);
      } catch (error) {
        if (!hasCode(error, 'wal-removed') || !lane) throw error;
        lane = await skipGap(lane, known, of, position.restart!);
        await follow(known, of, lane);
      }
    } finally {
      left.abort();
      server = null;
      await watching;
      await known.session.close();
    }
  }

  async function watch(known: KnownServer, of: JournalStream, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      try {
        const session = await openSqlSession(known.session.settings, { signal: until, applicationName });
        const lost = new AbortController();
        void keepBeating(session, known, of, AbortSignal.any([until, lost.signal]));
        try {
          await watchSlot(session, journal.slot, { everyMs: slotLookEveryMs, signal: until }, (state) => {
            slotState = state;
            const now = state ? alarmsOf(state, journal.slotBytesMax) : [];
            alarms.replace(['slot-behind', 'slot-status', 'synchronous'], now);
          });
        } finally {
          lost.abort();
          await session.close();
        }
      } catch {
        // The stream itself tells when the server is gone; a role that may only replicate sees no slots.
        slotState = null;
        await sleep(slotLookEveryMs, undefined, { signal: until }).catch(() => undefined);
      }
    }
  }

  /** Ends without a word where the role may not ask: the log is then known to be whole up to its last slice only. */
  async function keepBeating(
    session: SqlSession,
    known: KnownServer,
    of: JournalStream,
    until: AbortSignal,
  ): Promise<void> {
    const timing = options.heartbeat ?? {
      everyMs: Math.max(journal.maxLagMs, heartbeatEveryMs),
      settleMs: heartbeatSettleMs,
    };
    const received = (): ReceivedEnd | null =>
      lane && {
        timeline: lane.timeline,
        position: lane.position(),
        durableIn: lane.writer.durableIn(),
      };
    const ask = (): Promise<ServerEnd | null> => readServerEnd(session, known);
    await beat({ places, stream: of, ask, received, ...timing, signal: until, sink }).catch(() => undefined);
  }

  /** Streams one timeline, and goes on with those that follow it. */
  async function follow(known: KnownServer, of: JournalStream, first: Lane): Promise<void> {
    let current = first;
    let now = known;
    for (;;) {
      const end = await streamLane(now, current);
      if (end === null) return;
      // The next timeline's history is new to this session where a standby was promoted meanwhile.
      const { content } = await known.session.timelineHistory(end.nextTimeline);
      await saveHistories(places, of, { histories: [{ timeline: end.nextTimeline, content }] });
      await finish(current);
      sink({ kind: 'timeline-followed', from: current.timeline, to: end.nextTimeline, at: end.start });
      const start = startOfSegment(end.start, known.unitBytes);
      now = { ...known, isStandby: await isStandby(known.session) };
      current = openLane({ timeline: end.nextTimeline, start }, now, of);
      lane = current;
    }
  }

  /** @returns the end of the timeline, or null where the receiver is to stop. */
  async function streamLane(
    known: KnownServer,
    current: Lane,
  ): Promise<Extract<WalMessage, { kind: 'end-of-timeline' }> | null> {
    const start = current.streamFrom();
    const messages = known.session.streamWal({
      slot: journal.slot,
      start,
      timeline: current.timeline,
      statusIntervalMs,
      durable: () => current.durable(),
    });
    let stopping: Promise<void> | null = null;
    /** What arrived is made durable and told before the connection ends. */
    const stop = (): void => {
      stopping = within(closePatienceMs, current.writer.flush())
        .then(() => sleep(farewellMs))
        .finally(() => known.session.close());
      stopping.catch(() => undefined); // thrown below, once the stream has ended
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let told = false;
    try {
      for await (const message of messages) {
        if (!told) {
          const name = describeConnection(known.session.settings);
          sink({ kind: 'connected', server: name, timeline: current.timeline, start: current.position() });
          told = true;
        }
        if (message.kind === 'end-of-timeline') return message;
        serverEnd = message.serverEnd;
        if (message.kind === 'data') await current.take(message, !known.isStandby);
      }
      return null;
    } catch (error) {
      if (!signal.aborted) throw error;
      await stopping;
      return null;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Whether trying again may help. Before the first success only where the error says so. */
  function canRetry(error: unknown, busySinceMs: number | null): boolean {
    if (hasCode(error, 'journal-conflict', 'internal', 'usage')) return false;
    if (hasCode(error, 'slot-busy') && stream === null) {
      return busySinceMs === null || performance.now() - busySinceMs < busyPatienceMs;
    }
    return stream !== null || (error instanceof LifeboatError && error.retryable);
  }

  async function run(): Promise<void> {
    let attempts = 0;
    let busySinceMs: number | null = null;
    const { gapIsClosed, gapLookEveryMs = gapLookEveryUsualMs } = options;
    if (gapIsClosed) void watchGap({ alarms, isClosed: gapIsClosed, everyMs: gapLookEveryMs, signal });
    try {
      while (!signal.aborted) {
        const startedMs = performance.now();
        try {
          await stay();
        } catch (error) {
          if (signal.aborted) break;
          if (!canRetry(error, busySinceMs)) throw error;
          if (hasCode(error, 'slot-busy')) busySinceMs ??= performance.now();
          attempts = performance.now() - startedMs > retryMostMs ? 1 : attempts + 1;
          const most = Math.min(retryMostMs, retryFirstMs * 2 ** (attempts - 1));
          const retryInMs = most * (0.5 + Math.random() / 2);
          sink({ kind: 'connection-lost', error, attempts, retryInMs });
          await sleep(retryInMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
        }
      }
      if (lane) await within(closePatienceMs, finish(lane));
    } finally {
      await lane?.writer.abort();
      await compaction?.close();
    }
  }

  return {
    run,
    status() {
      const durable = lane?.durable() ?? null;
      return {
        source,
        systemIdentifier: stream?.stream ?? null,
        server: server ? describeConnection(server.session.settings) : null,
        timeline: lane?.timeline ?? null,
        received: lane ? formatLsn(lane.position()) : null,
        durable: durable === null ? null : formatLsn(durable),
        lagMs: lane?.lagMs() ?? 0,
        lagBytes: durable === null || serverEnd === null ? null : Math.max(0, Number(serverEnd - durable)),
        places: (lane?.writer.durableIn() ?? []).map((each) => ({
          ...each,
          durable: formatLsn(each.durable),
        })),
        slot: slotState,
        alarms: alarms.standing(),
      };
    },
  };
}

/** @throws LifeboatError `wal-not-archived` where it takes longer */
async function within(patienceMs: number, work: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(patienceMs, undefined, { signal: timer.signal }).then(
    () => {
      throw new LifeboatError(
        'wal-not-archived',
        'what was received last could not be stored in time; the server keeps it, and the next start continues there',
      );
    },
    () => undefined,
  );
  try {
    await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
