import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../src/core/errors.ts';
import { formatLsn, parseSegmentName, segmentStart } from '../../src/model/wal.ts';
import { createWalScanner } from '../../src/sources/postgres/wal/scanner.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { missingServer } from './programs.ts';
import { createRecoverySite, type RecoverySite, segmentBytes } from './recovery-site.ts';

/** Rows of the table `t` in a cluster that was recovered without being started by the recovery. */
async function startedAgain(data: string, server: 'debian' | 'newest' = 'debian'): Promise<Cluster> {
  const cluster = await createCluster({ server, data });
  await cluster.start();
  return cluster;
}

describe('a recovery', { skip: missingServer('debian') }, () => {
  let site: RecoverySite;
  const facts: Record<string, string> = {};

  before(async () => {
    site = await createRecoverySite();
    const { cluster } = site;
    await cluster.sql('create table t (n int); insert into t values (1)');
    await site.backup();
    facts.early = await cluster.sql('select clock_timestamp()');
    for (const n of [2, 3, 4]) {
      await cluster.sql('select pg_sleep(0.02)');
      facts[`xid${n}`] = await cluster.sql(`insert into t values (${n}) returning pg_current_xact_id()`);
      await cluster.sql('select pg_sleep(0.02)');
      facts[`time${n}`] = await cluster.sql('select clock_timestamp()');
      facts[`lsn${n}`] = await cluster.sql('select pg_current_wal_insert_lsn()');
      await cluster.sql(`select pg_create_restore_point('after${n}')`);
      await site.ship();
    }
    const archive = join(site.folder, 'archive');
    const name = readdirSync(archive).sort().at(-1)!;
    const start = segmentStart(parseSegmentName(name, segmentBytes)!, segmentBytes);
    const scanner = createWalScanner({ segmentBytes });
    scanner.feed(start, readFileSync(join(archive, name)));
    facts.last = formatLsn(scanner.lastRecord!);
    facts.inLast = formatLsn(scanner.lastRecord! + 8n);
    facts.end = formatLsn(start + BigInt(segmentBytes));
    facts.beyond = formatLsn(start + BigInt(segmentBytes) + 8n);
    // What is restored has the same port.
    await cluster.stop();
  });
  after(() => site?.destroy());

  async function rowsAfter(to: string, name: string, more = {}): Promise<string> {
    const target = join(site.folder, name);
    const report = await site.recover(to, { dataDirectory: target, ...more });
    assert.ok(report.server, 'the server was started');
    const psql = [`-h${report.server.host}`, `-p${report.server.port}`, '-Upostgres', '-dpostgres', '-Atc'];
    try {
      assert.equal(existsSync(join(target, 'pg_wal/lifeboat')), false);
      assert.doesNotMatch(readFileSync(join(target, 'postgresql.auto.conf'), 'utf8'), /restore_command/);
      return await site.cluster.run('psql', [...psql, "select string_agg(n::text, ',' order by n) from t"]);
    } finally {
      await site.cluster.run('pg_ctl', ['-D', target, '-m', 'immediate', 'stop']);
    }
  }

  const all = '1,2,3,4';
  const targets: [string, () => string, object, string][] = [
    ['to the newest point', () => 'latest', {}, all],
    ['to the end of the backup', () => 'immediate', {}, '1'],
    ['to a time', () => `${facts.time3}`, {}, '1,2,3'],
    ['to a time before anything changed', () => `${facts.early}`, {}, '1'],
    ['to an LSN', () => `lsn:${facts.lsn2}`, {}, '1,2'],
    ['to the LSN of the last record', () => `lsn:${facts.last}`, {}, all],
    ['to an LSN amid the last record', () => `lsn:${facts.inLast}`, {}, all],
    ['to the LSN at which the log ends', () => `lsn:${facts.end}`, {}, all],
    ['to a transaction', () => `xid:${facts.xid3}`, {}, '1,2,3'],
    ['to just before a transaction', () => `xid:${facts.xid3}`, { inclusive: false }, '1,2'],
    ['to a named restore point', () => 'name:after2', {}, '1,2'],
    ['to a time behind the last transaction, up to which the log is whole', () => `${facts.time4}`, {}, all],
  ];
  for (const [what, to, more, expected] of targets) {
    test(`${what} brings back what was there`, async () => {
      assert.equal((await rowsAfter(to(), what.replaceAll(' ', '-'), more)).trim(), expected);
    });
  }

  async function refused(to: string, code: string, message: RegExp, more = {}): Promise<void> {
    const dataDirectory = join(site.folder, 'refused');
    await assert.rejects(site.recover(to, { dataDirectory, ...more }), (error: LifeboatError) => {
      assert.equal(error.code, code, error.message);
      assert.match(`${error.message} (${error.hint})`, message);
      return true;
    });
    assert.equal(existsSync(join(dataDirectory, 'global/pg_control')), false, 'nothing that could start');
  }

  test('to a point before the backup is refused with the earliest point', () =>
    refused('2020-01-01 00:00:00Z', 'recovery-target-too-early', /earliest point is --to "20\d\d-/));

  test('to an LSN before the backup is refused', () =>
    refused('lsn:0/100', 'recovery-target-too-early', /before the end of the earliest backup/));

  test('to a time that the log does not reach is refused with what can be reached', () =>
    refused('2099-01-01 00:00:00+02', 'recovery-target-unreachable', /known whole only until .*--to lsn:/));

  test('to an LSN that the log does not reach is refused', () =>
    refused('lsn:FF/0', 'recovery-target-unreachable', /is missing/));

  test('to an LSN just behind the end of the log is refused', () =>
    refused(`lsn:${facts.beyond}`, 'recovery-target-unreachable', /is missing.*--to lsn:/));

  test('to a transaction that never was is refused', () =>
    refused('xid:4000000', 'recovery-target-unreachable', /not in the log from/));

  test('to a restore point that never was is refused', () =>
    refused('name:nowhere', 'recovery-target-unreachable', /not in the log from/));

  test('along a timeline that nobody knows is refused', () =>
    refused('latest', 'recovery-timeline', /nothing of timeline 7/, { timeline: 7 }));

  test('into a folder with other things in it is refused', async () => {
    const dataDirectory = join(site.folder, 'foreign');
    mkdirSync(dataDirectory);
    writeFileSync(join(dataDirectory, 'letter.txt'), 'mine');
    await assert.rejects(site.recover('latest', { dataDirectory }), { code: 'recovery-target-not-empty' });
    assert.equal(readFileSync(join(dataDirectory, 'letter.txt'), 'utf8'), 'mine');
  });

  test('into a running server is refused', async () => {
    await site.cluster.start();
    try {
      await assert.rejects(site.recover('latest', { dataDirectory: site.cluster.data }), {
        code: 'recovery-server-running',
      });
      assert.equal(await site.cluster.sql('select count(*) from t'), '4');
    } finally {
      await site.cluster.stop();
    }
  });

  test('in place fetches only what differs', async () => {
    const target = join(site.folder, 'in-place');
    const first = await site.recover(`lsn:${facts.lsn3}`, { dataDirectory: target, start: false });
    assert.equal(first.plan.mode, 'fresh');
    writeFileSync(join(target, 'base', 'superfluous'), 'x');
    const again = await site.recover('latest', { dataDirectory: target, start: false });
    assert.equal(again.plan.mode, 'in-place');
    assert.ok(again.files.bytes < first.files.bytes / 10, `${again.files.bytes} of ${first.files.bytes}`);
    assert.equal(existsSync(join(target, 'base', 'superfluous')), false);
    const cluster = await startedAgain(target);
    try {
      while ((await cluster.sql('select pg_is_in_recovery()')) === 't') await sleep(20);
      assert.equal(await cluster.sql('select count(*) from t'), '4');
    } finally {
      await cluster.destroy();
    }
  });

  test('that was cut off leaves nothing that could start, and run again it succeeds', async () => {
    const target = join(site.folder, 'cut-off');
    const controller = new AbortController();
    const reason = new LifeboatError('cancelled', 'stop');
    const phase = (name: string): void => {
      if (name === 'fetching the log') controller.abort(reason);
    };
    const events = { phase, files() {}, replay() {}, warning() {} };
    const options = { dataDirectory: target, start: false };
    await assert.rejects(
      site.recover('latest', { ...options, signal: controller.signal, execution: { events } }),
      { code: 'cancelled' },
    );
    assert.equal(existsSync(join(target, 'global/pg_control')), false);
    const again = await site.recover('latest', options);
    assert.equal(again.plan.mode, 'resume');
    assert.ok(again.files.bytes * 10 < again.plan.bytes);
  });
});
