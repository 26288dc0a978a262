import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LifeboatError } from '../../src/core/errors.ts';
import { beatForArchive } from '../../src/engine/journal/push/quiet.ts';
import { storedEnds } from '../../src/engine/journal/stored-ends.ts';
import { readHoldings } from '../../src/engine/recover/cluster-log.ts';
import { createLogReader } from '../../src/engine/recover/log-reader.ts';
import { timedWindows } from '../../src/engine/recover/windows.ts';
import { loadHeartbeat, saveHeartbeat } from '../../src/journal/heartbeat.ts';
import { parseLsn } from '../../src/model/wal.ts';
import { createSealer } from '../../src/repository/crypto.ts';
import { createEnvelopeCodec } from '../../src/repository/envelope-codec.ts';
import { generateMasterKey } from '../../src/repository/keys.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { eventually, journalConfiguration, startReceiver } from './journal-site.ts';
import { missingServer } from './programs.ts';
import { createRecoverySite, type RecoverySite, segmentBytes, siteSource } from './recovery-site.ts';

const heartbeat = { everyMs: 100, settleMs: 50 };

describe('the log of a server that does nothing', { skip: missingServer('debian') }, () => {
  let site: RecoverySite;
  let quietSince: string;
  let quietUntil: string;

  const newestMs = async (): Promise<number> => {
    const { clusters } = await readHoldings(site.places, siteSource);
    const [timeline] = await timedWindows(clusters[0]!.view, createLogReader(clusters[0]!));
    return timeline!.windows.at(-1)!.endMs!;
  };
  const stream = async (): Promise<{ source: string; stream: string }> => ({
    source: siteSource,
    stream: await site.cluster.sql('select system_identifier from pg_control_system()'),
  });

  before(async () => {
    site = await createRecoverySite({ settings: { archive_mode: 'off' } });
    const { cluster, places } = site;
    const journals = places.map(({ journal }) => journal);
    const receiver = await startReceiver(cluster.url, journals, {
      source: siteSource,
      journal: { ...journalConfiguration, maxLagMs: 50 },
      heartbeat,
    });
    await cluster.sql('create table t (n int); insert into t values (1)');
    await site.copy();
    await cluster.sql('insert into t values (2)');
    quietSince = await cluster.sql('select clock_timestamp()');
    const sinceMs = Number(await cluster.sql('select extract(epoch from clock_timestamp()) * 1000'));
    // Longer than anything the server writes by itself.
    await eventually('a quiet time is known', async () => (await newestMs()) > sinceMs + 1000);
    quietUntil = new Date((await newestMs()) - 1).toISOString();
    await receiver.stop();
    assert.deepEqual(
      receiver.events.filter(({ kind }) => kind === 'heartbeat-failed'),
      [],
    );
  });
  after(() => site?.destroy());

  test('is whole until a time behind the last transaction, and brings back all at it', async () => {
    const beat = await loadHeartbeat(site.places[0]!.journal, await stream());
    const [end] = await storedEnds(site.places[0]!.journal, siteSource);
    assert.ok(beat && end);
    assert.equal(end.end, beat.lsn);
    assert.equal(end.newestMs, beat.sentMs);
    assert.equal(await newestMs(), beat.sentMs);
    const target = join(site.folder, 'quiet');
    await site.cluster.stop();
    const report = await site.recover(quietUntil, { dataDirectory: target });
    assert.match(report.plan.notes.join(), /the log is whole up to it/);
    const psql = [`-h${report.server!.host}`, `-p${report.server!.port}`, '-Atc'];
    const rows = await site.cluster.run('psql', [
      ...psql,
      "select string_agg(n::text, ',' order by n) from t",
    ]);
    await site.cluster.run('pg_ctl', ['-D', target, '-m', 'immediate', 'stop']);
    assert.equal(rows.trim(), '1,2');
    await site.cluster.start();
  });

  /** What is said of a time that cannot be reached. */
  async function refusalAt(time: string): Promise<string> {
    let message = '';
    await assert.rejects(site.prepare(time), (error: LifeboatError) => {
      assert.equal(error.code, 'recovery-target-unreachable');
      message = error.message;
      return true;
    });
    return message;
  }

  test('is not called whole by a heartbeat that is damaged, foreign, of another timeline or position', async () => {
    const { journal } = site.places[0]!;
    const of = await stream();
    const sound = (await loadHeartbeat(journal, of))!;
    const path = join(site.folder, 'repository/lifeboat/journal', of.source, of.stream, 'heartbeat');
    const bytes = readFileSync(path);
    const spoil: [string, () => unknown][] = [
      ['gone', () => rmSync(path)],
      ['cut', () => writeFileSync(path, bytes.subarray(0, -1))],
      ['empty', () => writeFileSync(path, '')],
      [
        'sealed with another key',
        () => {
          const codec = createEnvelopeCodec(createSealer(generateMasterKey()));
          const seal = async (parts: readonly Uint8Array[]) => codec.seal(Buffer.concat(parts));
          return saveHeartbeat({ ...journal, envelope: { ...journal.envelope, seal } }, of, sound);
        },
      ],
      [
        'of another stream',
        async () => {
          const other = { ...of, stream: '1' };
          await saveHeartbeat(journal, other, sound);
          writeFileSync(path, readFileSync(path.replace(of.stream, '1')));
          rmSync(path.replace(of.stream, '1'));
        },
      ],
      ['of another timeline', () => saveHeartbeat(journal, of, { ...sound, timeline: 2 })],
      ['beyond what is held', () => saveHeartbeat(journal, of, { ...sound, lsn: sound.lsn + 8n })],
      ['before what is held', () => saveHeartbeat(journal, of, { ...sound, lsn: sound.lsn - 8n })],
    ];
    for (const [what, change] of spoil) {
      await change();
      assert.match(await refusalAt(quietUntil), /known whole only until/, what);
    }
    writeFileSync(path, bytes);
    await site.prepare(quietUntil);
    await site.prepare(quietSince);
  });

  test('says nothing of what is written and not stored', async () => {
    const { cluster, places } = site;
    const journals = places.map(({ journal }) => journal);
    const before = await newestMs();
    // A standby would not know what its primary writes; a cluster in recovery says so.
    const receiver = await startReceiver(cluster.url, journals, {
      source: siteSource,
      journal: { ...journalConfiguration, maxLagMs: 60_000 },
      heartbeat,
    });
    await eventually('it is connected', () => receiver.events.some(({ kind }) => kind === 'connected'));
    await cluster.sql('insert into t values (3)');
    await sleep(800);
    assert.equal(await newestMs(), before);
    await receiver.stop();
    assert.ok((await newestMs()) > before);
  });
});

describe('the archive of a server that does nothing', { skip: missingServer('debian') }, () => {
  test('is whole until now once its last segment is stored, and not while a file waits or one commits', async (t) => {
    const site = await createRecoverySite({ settings: { archive_command: `'/bin/true'` } });
    t.after(() => site.destroy());
    const { cluster } = site;
    const journals = site.places.map(({ journal }) => journal);
    const stream = await cluster.sql('select system_identifier from pg_control_system()');
    const of = { source: siteSource, stream };
    const settings = await connectionSettings(cluster.url, { password: null, env: {} });
    const stop = new AbortController();
    const beating = beatForArchive({
      settings,
      dataDirectory: cluster.data,
      places: journals,
      stream: of,
      signal: stop.signal,
      sink: () => undefined,
      timing: { everyMs: 50, settleMs: 20 },
    });
    const last = () => loadHeartbeat(journals[0]!, of);
    await cluster.sql('create table t as select 1 as n');
    await sleep(300);
    assert.equal(await last(), null, 'a commit is in the segment that is being written');

    // What the server writes by itself behind the boundary ends no transaction.
    await cluster.sql('select pg_switch_wal()');
    await cluster.sql('checkpoint');
    await eventually('it beats', async () => (await last()) !== null);
    const { lsn } = (await last())!;
    assert.equal(lsn % BigInt(segmentBytes), 0n);
    const position = parseLsn(await cluster.sql('select pg_current_wal_insert_lsn()'))!;
    assert.ok(position > lsn + 40n, 'the server has written more');
    const first = (await last())!.sentMs;
    await eventually('it beats again', async () => (await last())!.sentMs > first);

    await cluster.sql('insert into t values (2)');
    await sleep(100);
    const { sentMs } = (await last())!;
    await sleep(300);
    assert.equal((await last())!.sentMs, sentMs, 'a transaction ended that is not archived');
    await cluster.sql(`alter system set archive_command = '/bin/false'`);
    await cluster.sql('select pg_reload_conf()');
    await cluster.sql('select pg_switch_wal()');
    await sleep(300);
    assert.equal((await last())!.sentMs, sentMs, 'a file waits to be archived');
    await cluster.sql(`alter system set archive_command = '/bin/true'`);
    await cluster.sql('select pg_reload_conf()');
    await eventually('it beats at the next boundary', async () => (await last())!.lsn > lsn);
    stop.abort();
    await beating;
  });
});
