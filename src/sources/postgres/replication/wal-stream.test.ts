import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Cluster,
  createCluster,
  runAsServer,
  serverFolder,
  superuser,
} from '../../../../test/postgres/cluster.ts';
import { missingServer, type Server } from '../../../../test/postgres/programs.ts';
import { type ErrorCode, hasCode } from '../../../core/errors.ts';
import { formatLsn, type Lsn, parseHistory, parseLsn, segmentName } from '../../../model/wal.ts';
import { connectionSettings } from '../connection/settings.ts';
import { openReplication, type ReplicationSession } from './session.ts';
import type { WalMessage } from './wal-stream.ts';

const segmentBytes = 1024 * 1024;
const code = (wanted: ErrorCode) => (error: unknown) => hasCode(error, wanted);

interface Cleanup {
  after(fn: () => Promise<void>): void;
}

async function open(t: Cleanup, cluster: Cluster): Promise<ReplicationSession> {
  const settings = await connectionSettings(cluster.url, { password: null, env: { HOME: '/nonexistent' } });
  const session = await openReplication(settings);
  t.after(() => session.close());
  return session;
}

const position = async (cluster: Cluster): Promise<Lsn> =>
  parseLsn(await cluster.sql('select pg_current_wal_flush_lsn()'))!;

/** Makes about so many segments of log. */
async function writeLog(cluster: Cluster, segments: number): Promise<void> {
  await cluster.sql(
    `create table if not exists log (x text); insert into log select repeat('x', 1000) from generate_series(1, ${segments * 1000})`,
  );
}

/** The stream from `start` up to `end`, checked to have no gaps. */
async function bytesUpTo(stream: AsyncIterable<WalMessage>, start: Lsn, end: Lsn): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let at = start;
  for await (const message of stream) {
    if (message.kind !== 'data') continue;
    assert.equal(message.lsn, at);
    assert.ok(message.serverEnd >= at + BigInt(message.bytes.length));
    assert.ok(Math.abs(message.sentMs - Date.now()) < 60_000);
    pieces.push(message.bytes);
    at += BigInt(message.bytes.length);
    if (at >= end) break;
  }
  return Buffer.concat(pieces);
}

const slotFacts = (cluster: Cluster, slot: string): Promise<string> =>
  cluster.sql(
    `select coalesce(restart_lsn::text, '-') from pg_replication_slots where slot_name = '${slot}'`,
  );

for (const server of ['debian', 'newest'] satisfies Server[]) {
  describe(`the log of the ${server} server`, { skip: missingServer(server) }, () => {
    let cluster: Cluster;
    before(async () => {
      const settings = { wal_keep_size: '64MB', wal_sender_timeout: '1s' };
      cluster = await createCluster({ server, initdb: ['--wal-segsize=1'], settings });
      await cluster.start();
    });
    after(() => cluster.destroy());

    test('comes as it is in the files of the server', async (t) => {
      const session = await open(t, cluster);
      const { timeline, flushed, systemIdentifier } = await session.identifySystem();
      assert.equal(systemIdentifier, await cluster.sql('select system_identifier from pg_control_system()'));
      assert.equal(await session.show('wal_segment_size'), '1MB');
      const start = flushed - (flushed % BigInt(segmentBytes));
      await writeLog(cluster, 3);
      await cluster.sql('select pg_switch_wal()');
      const segments = 3;
      const end = start + BigInt(segments * segmentBytes);
      const stream = session.streamWal({
        slot: null,
        start,
        timeline,
        statusIntervalMs: 500,
        durable: () => 0n,
      });
      const streamed = await bytesUpTo(stream, start, end);
      for (let index = 0; index < segments; index++) {
        const number = start / BigInt(segmentBytes) + BigInt(index);
        const file = readFileSync(
          join(cluster.data, 'pg_wal', segmentName({ timeline, number }, segmentBytes)),
        );
        const part = streamed.subarray(index * segmentBytes, (index + 1) * segmentBytes);
        assert.ok(file.equals(part), `segment ${index}`);
      }
      // Leaving the stream leaves the session for the next one.
      const again = session.streamWal({
        slot: null,
        start,
        timeline,
        statusIntervalMs: 500,
        durable: () => 0n,
      });
      assert.ok(
        (await bytesUpTo(again, start, end))
          .subarray(0, segmentBytes)
          .equals(streamed.subarray(0, segmentBytes)),
      );
    });

    test('is kept by the slot until it is durable, and not a byte longer is promised', async (t) => {
      const session = await open(t, cluster);
      await session.createPhysicalSlot('kept', { temporary: false, reserve: true });
      await assert.rejects(
        session.createPhysicalSlot('kept', { temporary: false, reserve: true }),
        code('slot-exists'),
      );
      const { restart } = (await session.readSlot('kept'))!;
      assert.ok(restart !== null);
      assert.equal(await session.readSlot('other'), null);
      const start = restart - (restart % BigInt(segmentBytes));
      const before = await slotFacts(cluster, 'kept');
      await writeLog(cluster, 2);
      const end = await position(cluster);

      let durable = 0n;
      const options = { slot: 'kept', start, timeline: 1, statusIntervalMs: 100, durable: () => durable };
      const stream = session.streamWal(options);
      let at = start;
      for await (const message of stream) {
        if (message.kind !== 'data') continue;
        at = message.lsn + BigInt(message.bytes.length);
        if (at >= end) break;
        await delay(1);
        assert.equal(await slotFacts(cluster, 'kept'), before);
        if (at - start > 100_000n) break;
      }
      assert.equal(await slotFacts(cluster, 'kept'), before);

      // More than was received is never reported, and progress is told without being asked for.
      durable = end + 1_000_000_000n;
      const next = session.streamWal(options);
      const read = await bytesUpTo(next, start, end);
      const told = parseLsn(await slotFacts(cluster, 'kept'))!;
      assert.ok(told >= end && told <= start + BigInt(read.length), formatLsn(told));
      await session.dropSlot('kept');
      await assert.rejects(session.dropSlot('kept'), code('slot-missing'));
      const gone = session.streamWal({ ...options, slot: 'kept' });
      await assert.rejects(gone.next(), code('slot-missing'));
    });

    test('keeps the connection while the consumer is busy for longer than the server waits', async (t) => {
      const session = await open(t, cluster);
      const { flushed } = await session.identifySystem();
      const start = flushed - (flushed % BigInt(segmentBytes));
      await writeLog(cluster, 12);
      const stream = session.streamWal({
        slot: null,
        start,
        timeline: 1,
        statusIntervalMs: 300,
        durable: () => 0n,
      });
      const first = (await stream.next()).value;
      assert.ok(first?.kind === 'data');
      await delay(1500);
      const at = first.lsn + BigInt(first.bytes.length);
      const end = await position(cluster);
      assert.ok((await bytesUpTo(stream, at, end)).length >= Number(end - at));
    });

    test('that the server has no more is an error of its own', async (t) => {
      const session = await open(t, cluster);
      await cluster.sql('alter system set wal_keep_size = 0');
      await cluster.sql('select pg_reload_conf()');
      await writeLog(cluster, 3);
      await cluster.sql('checkpoint; select pg_switch_wal(); checkpoint');
      const early = BigInt(segmentBytes);
      const stream = session.streamWal({
        slot: null,
        start: early,
        timeline: 1,
        statusIntervalMs: 500,
        durable: () => 0n,
      });
      await assert.rejects(stream.next(), code('wal-removed'));
    });

    test('ends with an error when the server stops, after all of it was sent', async (t) => {
      const session = await open(t, cluster);
      const { flushed } = await session.identifySystem();
      let received = 0n;
      const stream = session.streamWal({
        slot: null,
        start: flushed - (flushed % BigInt(segmentBytes)),
        timeline: 1,
        statusIntervalMs: 100,
        durable: () => received,
      });
      const reading = (async () => {
        for await (const message of stream) {
          if (message.kind === 'data') received = message.lsn + BigInt(message.bytes.length);
        }
      })();
      const failed = assert.rejects(reading, code('database-connection-lost'));
      await cluster.stop('fast');
      await failed;
      assert.ok(received >= flushed);
      await cluster.start();
    });
  });

  describe(`a ${server} standby that is promoted`, { skip: missingServer(server) }, () => {
    test('tells where its timeline ended and which one comes next', async (t) => {
      const primary = await createCluster({ server, initdb: ['--wal-segsize=1'] });
      t.after(() => primary.destroy());
      await primary.start();
      await writeLog(primary, 1);
      const folder = serverFolder();
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const data = join(folder, 'data');
      await primary.stop('fast');
      await runAsServer('cp', ['-a', primary.data, data]);
      await primary.start();
      appendFileSync(
        join(data, 'postgresql.conf'),
        `primary_conninfo = 'host=${primary.folder} port=${primary.port} user=${superuser}'\nwal_retrieve_retry_interval = 50\n`,
      );
      writeFileSync(join(data, 'standby.signal'), '');
      const standby = await createCluster({ server, data });
      t.after(() => standby.destroy());
      await standby.start();
      await writeLog(primary, 1);
      const written = await position(primary);
      const count = 'select count(*) from log';
      const rows = await primary.sql(count);
      while ((await standby.sql(count)) !== rows) await delay(20);

      const session = await open(t, standby);
      const start = written - (written % BigInt(segmentBytes));
      const options = { slot: null, start, timeline: 1, statusIntervalMs: 500, durable: () => 0n };
      const stream = session.streamWal(options);
      assert.equal((await stream.next()).value?.kind, 'data');
      await standby.sql('select pg_promote()');
      let last: WalMessage | undefined;
      for await (const message of stream) last = message;
      assert.ok(last?.kind === 'end-of-timeline');
      assert.equal(last.nextTimeline, 2);

      const { name, content } = await session.timelineHistory(2);
      assert.equal(name, '00000002.history');
      assert.deepEqual(
        parseHistory(content.toString())?.map(({ timeline, end }) => [timeline, end]),
        [[1, last.start]],
      );
      await assert.rejects(session.timelineHistory(9), code('wal-removed'));
      // From the very end of the old timeline no stream begins.
      const atEnd: WalMessage[] = [];
      for await (const message of session.streamWal({ ...options, start: last.start })) atEnd.push(message);
      assert.deepEqual(atEnd, [last]);
      const after = session.streamWal({ ...options, start: last.start, timeline: 2 });
      assert.equal((await after.next()).value?.kind, 'data');
      await after.return();
      assert.equal((await session.identifySystem()).timeline, 2);
    });
  });
}
