import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAt } from '../../src/app/connect.ts';
import { journalPlaces } from '../../src/engine/journal/journal-places.ts';
import {
  createReceiver,
  type ReceiverOptions,
  type ReceiverStatus,
} from '../../src/engine/journal/receive/receiver.ts';
import { coverageOf } from '../../src/journal/coverage.ts';
import type { JournalPlace } from '../../src/journal/envelope.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import { listJournal, listPieces, listUnit } from '../../src/journal/list.ts';
import { loadUnit } from '../../src/journal/load-unit.ts';
import type { JournalConfiguration } from '../../src/model/configuration.ts';
import {
  formatLsn,
  type Lsn,
  parseLsn,
  segmentAt,
  segmentName,
  segmentStart,
  type Timeline,
  type WalRange,
} from '../../src/model/wal.ts';
import type { WalEvent } from '../../src/model/wal-event.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { type Cluster, createCluster, runAsServer } from './cluster.ts';
import { sourceName } from './workspace.ts';

/** Repositories that keep the journal of a cluster, and a receiver in this process. */

export const segmentBytes = 1 << 20;

/** Small segments, so that many are written in no time. */
export const createJournaledCluster = (
  settings: Readonly<Record<string, string | number>> = {},
): Promise<Cluster> => createCluster({ initdb: ['--wal-segsize=1'], settings });

export interface JournalSite {
  readonly folder: string;
  readonly places: readonly JournalPlace[];
  repository(index: number): string;
  close(): Promise<void>;
}

export async function createJournalSite(count = 1): Promise<JournalSite> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-journal-'));
  const repository = (index: number): string => join(folder, `repository-${index}`);
  const repositories: Parameters<typeof journalPlaces>[0][number][] = [];
  for (let index = 0; index < count; index++) {
    await createCheapRepository(localStorage(repository(index)));
    repositories.push({ name: `r${index}`, repository: await openAt(repository(index), testPassword) });
  }
  const open = journalPlaces(repositories, { threads: 0 });
  return {
    folder,
    places: open.places,
    repository,
    async close() {
      await open.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const journalConfiguration: JournalConfiguration = {
  way: 'receive',
  maxLagMs: 200,
  sliceBytesMax: 16 << 20,
  slot: 'lifeboat_test',
  slotBytesMax: 1 << 30,
  proofTimeoutMs: 5000,
};

export interface RunningReceiver {
  readonly events: readonly WalEvent[];
  readonly journalEvents: readonly JournalEvent[];
  status(): ReceiverStatus;
  /** Ends it as SIGTERM does; rejects with what it failed with. */
  stop(): Promise<void>;
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<void>;
}

export async function startReceiver(
  url: string,
  places: readonly JournalPlace[],
  more: Partial<ReceiverOptions> = {},
): Promise<RunningReceiver> {
  const abort = new AbortController();
  const events: WalEvent[] = [];
  const journalEvents: JournalEvent[] = [];
  const receiver = createReceiver({
    settings: await connectionSettings(url, { password: null, env: {} }),
    source: sourceName,
    places,
    journal: journalConfiguration,
    acceptNewCluster: false,
    signal: abort.signal,
    sink: (event) => events.push(event),
    journalSink: (event) => journalEvents.push(event),
    ...more,
  });
  const ended = receiver.run();
  ended.catch(() => undefined); // whoever waits for its end is told
  return {
    events,
    journalEvents,
    status: receiver.status,
    ended,
    async stop() {
      abort.abort();
      await ended;
    },
  };
}

export async function eventually<T>(
  what: string,
  probe: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const giveUp = Date.now() + 20_000;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== false) return found;
    if (Date.now() > giveUp) throw new Error(`it never happened that ${what}`);
    await sleep(20);
  }
}

/** Writes enough to fill about `megabytes` of log, in many transactions. */
export function writeLog(cluster: Cluster, megabytes: number): Promise<string> {
  return cluster.sql(`
    create table if not exists filler (n bigint generated always as identity, content text);
    do $$ begin for i in 1..${megabytes * 20} loop
      insert into filler (content) select string_agg(md5(random()::text), '') from generate_series(1, 1500);
      commit;
    end loop; end $$;`);
}

export async function serverEnd(cluster: Cluster): Promise<Lsn> {
  return parseLsn(await cluster.sql('select pg_current_wal_flush_lsn()'))!;
}

/** The only stream of a place. */
export async function coverage(place: JournalPlace): Promise<WalRange[]> {
  const [listed] = await listJournal(place, sourceName);
  return listed ? coverageOf(listed.pieces, segmentBytes) : [];
}

export async function untilStored(place: JournalPlace, end: Lsn, timeline: Timeline = 1): Promise<void> {
  await eventually(`${formatLsn(end)} is stored`, async () =>
    (await coverage(place)).some((range) => range.timeline === timeline && range.end >= end),
  );
}

/** Compares what a place holds of [start, end) with the server's own files. */
export async function compareWithServer(
  place: JournalPlace,
  cluster: Cluster,
  range: WalRange,
): Promise<number> {
  const [listed] = await listJournal(place, sourceName);
  const stream = listed!.stream;
  let compared = 0;
  for (let at = range.start; at < range.end; ) {
    const segment = segmentAt(range.timeline, at, segmentBytes);
    const name = segmentName(segment, segmentBytes);
    const start = segmentStart(segment, segmentBytes);
    const end = start + BigInt(segmentBytes) < range.end ? start + BigInt(segmentBytes) : range.end;
    const loaded = await loadUnit(place, stream, name, segmentBytes, await listUnit(place, stream, name), {
      everyPiece: true,
    });
    const own = await readServerFile(cluster, name);
    const [from, to] = [Number(at - start), Number(end - start)];
    assert.ok(
      loaded.covered.some((part) => part.from <= from && part.to >= to),
      `${name} has a hole`,
    );
    assert.ok(loaded.bytes.subarray(from, to).equals(own.subarray(from, to)), `${name} differs`);
    compared++;
    at = end;
  }
  return compared;
}

async function readServerFile(cluster: Cluster, name: string): Promise<Buffer> {
  const text = await runAsServer('base64', ['-w0', join(cluster.data, 'pg_wal', name)]);
  return Buffer.from(text, 'base64');
}

export { listPieces };
