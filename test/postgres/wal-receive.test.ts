import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasBackupBehind } from '../../src/engine/journal/receive/gap-watch.ts';
import { loadHistory } from '../../src/journal/history.ts';
import { type ListedStream, listJournal } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import type { Id } from '../../src/model/id.ts';
import { postgresTags } from '../../src/model/postgres-manifest.ts';
import { formatLsn } from '../../src/model/wal.ts';
import { saveSnapshot } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { lifeboat } from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster } from './cluster.ts';
import {
  compareWithServer,
  coverage,
  createJournaledCluster,
  createJournalSite,
  eventually,
  type JournalSite,
  type RunningReceiver,
  serverEnd,
  startReceiver,
  untilStored,
  writeLog,
} from './journal-site.ts';
import { missingServer } from './programs.ts';
import { createWorkspace, sourceName } from './workspace.ts';

const isConnected = (receiver: RunningReceiver, timeline = 1): Promise<boolean> =>
  eventually('it is connected', () =>
    receiver.events.some((event) => event.kind === 'connected' && event.timeline === timeline),
  );

interface Scene {
  readonly cluster: Cluster;
  readonly site: JournalSite;
}

async function createScene(
  t: { after(work: () => Promise<void>): void },
  places = 1,
  settings: Record<string, string | number> = {},
): Promise<Scene> {
  const cluster = await createJournaledCluster({ wal_keep_size: '1GB', ...settings });
  t.after(() => cluster.destroy());
  const site = await createJournalSite(places);
  t.after(() => site.close());
  await cluster.start();
  return { cluster, site };
}

/** Everything that is stored is one part without a gap, and the server's own. */
async function assertWhole({ cluster, site }: Scene): Promise<void> {
  for (const place of site.places) {
    const ranges = await coverage(place);
    assert.equal(ranges.length, 1, ranges.map((range) => formatLsn(range.start)).join());
    await compareWithServer(place, cluster, ranges[0]!);
  }
}

describe('the receiver', { skip: missingServer('debian') }, () => {
  test('stores in every repository what the server writes, and reports only that as flushed', async (t) => {
    const scene = await createScene(t, 2);
    const { cluster, site } = scene;
    const receiver = await startReceiver(cluster.url, site.places);
    await isConnected(receiver);
    await writeLog(cluster, 3);
    const end = await serverEnd(cluster);
    for (const place of site.places) await untilStored(place, end);
    await assertWhole(scene);
    await eventually('the slot follows', async () => {
      const restart = await cluster.sql(
        `select restart_lsn >= '${formatLsn(end)}' from pg_replication_slots where active`,
      );
      return restart === 't';
    });
    assert.equal(receiver.status().durable, formatLsn((await coverage(site.places[0]!))[0]!.end));
    assert.deepEqual(receiver.status().alarms, []);
    const known = receiver.journalEvents.filter((event) => event.kind === 'piece-saved');
    assert.ok(known.every((event) => event.status === 'saved'));
    await receiver.stop();
  });

  test('makes durable what it holds when it is stopped, and goes on there, in a place that was behind too', async (t) => {
    const scene = await createScene(t, 2);
    const { cluster, site } = scene;
    const first = await startReceiver(cluster.url, site.places.slice(0, 1));
    await isConnected(first);
    await writeLog(cluster, 2);
    const end = await serverEnd(cluster);
    await eventually('it arrives', () => (first.status().received ?? '') >= formatLsn(end));
    await first.stop();
    assert.ok((await coverage(site.places[0]!))[0]!.end >= end);

    await writeLog(cluster, 1);
    const second = await startReceiver(cluster.url, site.places);
    for (const place of site.places) await untilStored(place, await serverEnd(cluster));
    await second.stop();
    await assertWhole(scene);
    const times = (await listJournal(site.places[0]!, 'app-db'))[0]!;
    assert.ok(times.pieces.length > 0);
  });

  test('goes on after a crash of the server', async (t) => {
    const scene = await createScene(t);
    const { cluster, site } = scene;
    const receiver = await startReceiver(cluster.url, site.places);
    await isConnected(receiver);
    await writeLog(cluster, 1);
    await cluster.stop('immediate');
    await cluster.start();
    await writeLog(cluster, 1);
    await untilStored(site.places[0]!, await serverEnd(cluster));
    assert.ok(receiver.events.some(({ kind }) => kind === 'connection-lost'));
    await receiver.stop();
    await assertWhole(scene);
  });

  test('follows a standby that is promoted, and the log stays one', async (t) => {
    const { cluster, site } = await createScene(t);
    const standby = await createStandby(t, cluster);
    const hosts = `host=${cluster.folder},${standby.folder}&port=${cluster.port},${standby.port}`;
    const url = `${cluster.url.split('?')[0]}?${hosts}&target_session_attrs=primary`;
    const receiver = await startReceiver(url, site.places);
    await isConnected(receiver);
    await writeLog(cluster, 1);
    await eventually('the standby has all', async () => {
      const got = await standby.sql('select pg_last_wal_replay_lsn()');
      return got === (await cluster.sql('select pg_current_wal_flush_lsn()'));
    });
    await cluster.stop('immediate');
    await standby.sql('select pg_promote()');
    await writeLog(standby, 1);
    await untilStored(site.places[0]!, await serverEnd(standby), 2);
    await isConnected(receiver, 2);
    const [listed] = await listJournal(site.places[0]!, 'app-db');
    const history = await loadHistory(site.places[0]!, listed!.stream, 2);
    assert.match(history?.toString() ?? '', /^1\t/);
    const ranges = await coverage(site.places[0]!);
    assert.deepEqual(
      ranges.map(({ timeline }) => timeline),
      [1, 2],
    );
    await compareWithServer(site.places[0]!, standby, ranges[1]!);
    await receiver.stop();
  });

  test('follows to the next timeline within one connection to a standby', async (t) => {
    const { cluster, site } = await createScene(t);
    const standby = await createStandby(t, cluster);
    const receiver = await startReceiver(standby.url, site.places);
    await isConnected(receiver);
    await writeLog(cluster, 1);
    await cluster.stop('fast');
    await standby.sql('select pg_promote()');
    await writeLog(standby, 1);
    await untilStored(site.places[0]!, await serverEnd(standby), 2);
    assert.ok(receiver.events.some(({ kind }) => kind === 'timeline-followed'));
    await receiver.stop();
    // Until when the log is whole only a primary knows.
    const [place] = site.places;
    const [{ stream, pieces }] = (await listJournal(place!, 'app-db')) as [ListedStream];
    const told = new Set<string>();
    for (const piece of pieces)
      if ((await loadPiece(place!, stream, piece)).facts.sentMs !== null) told.add(piece.unit.slice(0, 8));
    assert.deepEqual([...told], ['00000002']);
  });

  test('tells of a gap where the slot was dropped and the log is gone, and goes on behind it', async (t) => {
    const { cluster, site } = await createScene(t, 1, {
      wal_keep_size: 0,
      max_wal_size: '2MB',
      min_wal_size: '2MB',
    });
    const first = await startReceiver(cluster.url, site.places);
    await isConnected(first);
    await writeLog(cluster, 1);
    await first.stop();
    const [before] = await coverage(site.places[0]!);
    await cluster.sql(`select pg_drop_replication_slot('lifeboat_test')`);
    await writeLog(cluster, 6);
    await cluster.sql('checkpoint; select pg_switch_wal(); checkpoint');

    const repository = await createCheapRepository(localStorage(join(site.folder, 'backups')));
    const second = await startReceiver(cluster.url, site.places, {
      gapIsClosed: (missing) => hasBackupBehind([{ name: 'backups', repository }], sourceName, missing),
      gapLookEveryMs: 20,
    });
    await isConnected(second);
    await writeLog(cluster, 1);
    await untilStored(site.places[0]!, await serverEnd(cluster));
    const alarm = second.events.find((event) => event.kind === 'alarm');
    assert.ok(alarm?.alarm.kind === 'gap');
    const ranges = await coverage(site.places[0]!);
    assert.equal(ranges.length, 2);
    assert.deepEqual(alarm.alarm.missing, { timeline: 1, start: before!.end, end: ranges[1]!.start });
    const noteBackup = (stop: bigint): Promise<Id> => {
      const facts = { kind: 'postgres-physical', type: 'full', systemIdentifier: '1', timeline: '1' };
      const at = { start: formatLsn(before!.end), stop: formatLsn(stop), stopTime: new Date().toISOString() };
      const values = { source: sourceName, ...facts, ...at };
      const tags = Object.entries(values).map(
        ([key, value]) => `${postgresTags[key as keyof typeof postgresTags]}=${value}`,
      );
      return saveSnapshot(repository, { time: at.stopTime, paths: [], tags });
    };
    await noteBackup(before!.end);
    await sleep(100);
    assert.equal(second.status().alarms[0]?.kind, 'gap');
    await noteBackup(ranges[1]!.start);
    await eventually('the gap is closed', () => second.status().alarms.length === 0);
    assert.ok(second.events.some((event) => event.kind === 'alarm-cleared' && event.alarm === 'gap'));
    await second.stop();
  });

  test('refuses another cluster, unless it is told that the cluster is new', async (t) => {
    const { cluster, site } = await createScene(t);
    const first = await startReceiver(cluster.url, site.places);
    await isConnected(first);
    await untilStored(site.places[0]!, await serverEnd(cluster));
    await first.stop();
    const other = await createJournaledCluster();
    t.after(() => other.destroy());
    await other.start();
    const refused = await startReceiver(other.url, site.places);
    await assert.rejects(refused.ended, { code: 'wal-other-cluster' });
    const accepted = await startReceiver(other.url, site.places, { acceptNewCluster: true });
    await isConnected(accepted);
    await accepted.stop();
    await cluster.stop();
    assert.equal((await listJournal(site.places[0]!, 'app-db')).length, 2);
  });

  test('compacts the slices of finished segments', async (t) => {
    const { cluster, site } = await createScene(t);
    const receiver = await startReceiver(cluster.url, site.places, {});
    await isConnected(receiver);
    for (let n = 0; n < 3; n++) {
      await cluster.sql('create table if not exists t (n int); insert into t values (1)');
      await untilStored(site.places[0]!, await serverEnd(cluster));
    }
    await cluster.sql('select pg_switch_wal()');
    await eventually('a segment is compacted', () =>
      receiver.journalEvents.some(({ kind }) => kind === 'unit-compacted'),
    );
    await receiver.stop();
  });
});

describe('lifeboat wal receive', { skip: missingServer('debian') }, () => {
  test('killed and started again stores all without a gap; a second one is refused', async (t) => {
    const cluster = await createJournaledCluster({ wal_keep_size: '1GB' });
    t.after(() => cluster.destroy());
    await cluster.start();
    const workspace = await createWorkspace({ cluster, journal: { 'max-lag': '200ms' } });
    t.after(async () => workspace.destroy());
    const env = {
      PATH: process.env.PATH ?? '',
      LIFEBOAT_CONFIG: workspace.configPath,
      LIFEBOAT_RUN_DIR: join(workspace.folder, 'run'),
      DATABASE_URL: cluster.url,
    };
    const start = () => {
      const child = spawn(lifeboat().path, ['wal', 'receive', '--json'], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      child.stderr.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      return { child, said: () => text };
    };
    const pushLoad = (): Promise<string> => writeLog(cluster, 1);

    const first = start();
    await eventually('it is connected', () => first.said().includes('"connected"'));
    const refused = await workspace.lifeboat(['wal', 'receive'], env);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /another process already serves/);
    await pushLoad();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');

    const dead = await workspace.lifeboat(['wal', 'status'], env);
    assert.equal(dead.status, 3);
    assert.match(dead.stdout, /no process runs/);
    await pushLoad();

    const second = start();
    await eventually('it is connected', () => second.said().includes('"connected"'));
    const end = formatLsn(await serverEnd(cluster));
    await eventually('all is stored', async () => {
      const { stdout } = await workspace.lifeboat(['wal', 'status', '--json'], env);
      const { stored } = JSON.parse(stdout) as { stored: { end: string; gaps: number }[] };
      return stored[0] !== undefined && stored[0].end >= end && stored[0].gaps === 0;
    });
    const alive = await workspace.lifeboat(['wal', 'status'], env);
    assert.equal(alive.status, 0, alive.stdout);
    assert.match(alive.stdout, /stored up to .* on timeline 1/);
    second.child.kill('SIGTERM');
    const [status] = await once(second.child, 'exit');
    assert.equal(status, 0, second.said());
    const compacted = await workspace.lifeboat(['wal', 'compact'], env);
    assert.equal(compacted.status, 0, compacted.stderr);
  });
});

async function createStandby(
  t: { after(work: () => Promise<void>): void },
  primary: Cluster,
): Promise<Cluster> {
  const data = join(primary.folder, 'standby');
  await primary.run('pg_basebackup', ['-D', data, '-c', 'fast', '-X', 'stream']);
  writeFileSync(join(data, 'standby.signal'), '');
  const standby = await createCluster({
    data,
    settings: {
      primary_conninfo: `'host=${primary.folder} port=${primary.port}'`,
      wal_keep_size: `'1GB'`,
      hot_standby: 'on',
    },
  });
  t.after(() => standby.destroy());
  await standby.start();
  return standby;
}
