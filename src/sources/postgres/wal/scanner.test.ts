import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Cluster, createCluster, runAsServer } from '../../../../test/postgres/cluster.ts';
import { missingServer } from '../../../../test/postgres/programs.ts';
import { formatLsn, parseLsn } from '../../../model/wal.ts';
import { crc32c } from './crc32c.ts';
import { createWalScanner, type WalMark } from './scanner.ts';
import { readSegmentHeader } from './segment-header.ts';

/** Every kind of end that a transaction can have, between those of pgbench. */
const transactions = `
create table t (n int primary key, filler text);
insert into t select n, repeat('x', 500) from generate_series(1, 2000) n;
begin; insert into t values (-1); savepoint a; insert into t values (-2); savepoint b; insert into t values (-3); commit;
begin; insert into t values (-4); savepoint a; insert into t values (-5); rollback to a; rollback;
begin; insert into t values (-6); prepare transaction 'one'; commit prepared 'one';
begin; insert into t values (-7); savepoint a; insert into t values (-8); create table u (n int); prepare transaction 'two';
rollback prepared 'two';
begin; create table v (n int); drop table v; prepare transaction 'three'; commit prepared 'three';
select pg_create_restore_point('before the switch'); select pg_switch_wal();
create table w as select n, repeat(n::text, 50) as filler from generate_series(1, 20000) n;
do $$ begin for i in 1..150 loop execute format('create table many_%s (n int)', i); end loop; end $$;
do $$ begin for i in 1..150 loop execute format('drop table many_%s', i); end loop; end $$;
begin; delete from w; rollback; select pg_create_restore_point('ünïcode');
`;

interface Log {
  readonly start: bigint;
  readonly bytes: Buffer;
}

/** The segments of a stopped server, as far as they follow each other up to the newest. */
function readLog(cluster: Cluster): Log {
  const folder = join(cluster.data, 'pg_wal');
  const parts: { start: bigint; bytes: Buffer }[] = [];
  for (const name of readdirSync(folder).sort()) {
    if (!/^[0-9A-F]{24}$/.test(name)) continue;
    const bytes = readFileSync(join(folder, name));
    const { header } = readSegmentHeader(bytes);
    const last = parts.at(-1);
    // Segments made ahead hold nothing, or what they held under an older name.
    if (!header || (last && header.pageLsn !== last.start + BigInt(last.bytes.length))) break;
    parts.push({ start: header.pageLsn, bytes });
  }
  return { start: parts[0]!.start, bytes: Buffer.concat(parts.map((part) => part.bytes)) };
}

function scan(log: Log, segmentBytes: number, cut: () => number, from = 0): WalMark[] {
  const scanner = createWalScanner({ segmentBytes });
  const marks: WalMark[] = [];
  for (let at = from; at < log.bytes.length; ) {
    const end = Math.min(log.bytes.length, at + cut());
    marks.push(...scanner.feed(log.start + BigInt(at), log.bytes.subarray(at, end)));
    at = end;
  }
  return marks;
}

const summary = (mark: WalMark): string => {
  const what = mark.kind === 'restore-point' ? mark.name : String(mark.xid);
  return `${formatLsn(mark.lsn)} ${mark.kind} ${what} ${new Date(Math.floor(mark.timeMs)).toISOString()}`;
};

/** The same of pg_waldump, whose times are in UTC here. */
async function dump(cluster: Cluster, log: Log): Promise<string[]> {
  const start = formatLsn(log.start);
  const args = ['-p', join(cluster.data, 'pg_wal'), '-s', start];
  // It ends with an error where the log ends.
  const command = ['-c', '"$@" 2>/dev/null || true', 'sh', join(cluster.bin, 'pg_waldump'), ...args];
  const lines = (await runAsServer('/bin/sh', command, { TZ: 'UTC' })).split('\n');
  const found: string[] = [];
  for (const line of lines) {
    const record = /rmgr: (\w+) .* tx: +(\d+), lsn: (\w+\/\w+), .* desc: (\w+) (?:(\d+): )?/.exec(line);
    if (!record) continue;
    const [, rmgr, tx, lsn, description, prepared] = record;
    const time = / ?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\d* UTC/.exec(line);
    const iso = time ? `${time[1]}T${time[2]}Z` : '';
    const at = formatLsn(parseLsn(lsn!)!);
    if (rmgr === 'Transaction' && (description === 'COMMIT' || description === 'ABORT')) {
      found.push(`${at} ${description.toLowerCase()} ${tx} ${iso}`);
    } else if (rmgr === 'Transaction' && /^(COMMIT|ABORT)_PREPARED$/.test(description!)) {
      found.push(`${at} ${description!.toLowerCase().replace('_', '-')} ${prepared} ${iso}`);
    } else if (rmgr === 'XLOG' && description === 'RESTORE_POINT') {
      found.push(`${at} restore-point ${line.slice(line.indexOf('RESTORE_POINT') + 14)}`);
    }
  }
  return found;
}

test('the checksum is that of the standard', () => {
  const bytes = Buffer.from('123456789');
  assert.equal(crc32c(bytes, 0, 9), 0xe3069283);
  assert.equal(crc32c(bytes, 5, 9, crc32c(bytes, 0, 5)), 0xe3069283);
});

describe('the scanner', { skip: missingServer('debian') }, () => {
  for (const segmentMegabytes of [1, 16]) {
    test(`finds what pg_waldump finds in segments of ${segmentMegabytes} MiB`, async (t) => {
      const cluster = await createCluster({
        initdb: [`--wal-segsize=${segmentMegabytes}`],
        settings: { wal_keep_size: '1GB', max_prepared_transactions: 10, track_commit_timestamp: 'on' },
      });
      t.after(() => cluster.destroy());
      await cluster.start();
      await cluster.run('pgbench', ['-i', '-q', '-s', '1']);
      await cluster.run('pgbench', ['-c', '4', '-t', '100', '-n']);
      await cluster.sql(transactions);
      await cluster.run('pgbench', ['-c', '4', '-t', '100', '-n']);
      await cluster.stop('fast');
      const log = readLog(cluster);
      const segmentBytes = segmentMegabytes << 20;

      const marks = scan(log, segmentBytes, () => 131_072);
      const expected = await dump(cluster, log);
      assert.ok(expected.length > 800);
      const kinds = new Set(marks.map((mark) => mark.kind));
      assert.equal(kinds.size, 5, [...kinds].join());
      for (const [index, mark] of marks.entries()) {
        const line = expected[index] ?? '';
        const found = summary(mark);
        // Restore points are printed without their time.
        if (mark.kind === 'restore-point') {
          assert.equal(`${formatLsn(mark.lsn)} restore-point ${mark.name}`, line);
          assert.ok(Math.abs(mark.timeMs - Date.now()) < 120_000);
        } else assert.equal(found, line);
      }
      assert.equal(marks.length, expected.length);

      let seed = 1;
      const random = (): number => {
        seed = (seed * 48_271) % 0x7fffffff;
        return 1 + (seed % 700);
      };
      assert.deepEqual(scan(log, segmentBytes, random), marks);
      // From a page in the middle: all but what the first record of it may belong to.
      const from = 8192 * 75;
      const later = scan(log, segmentBytes, () => 100_000, from);
      const behind = marks.filter((mark) => mark.lsn >= log.start + BigInt(from));
      assert.deepEqual(later, behind);
    });
  }

  test('stops where the log ends and where a record is damaged', async (t) => {
    const cluster = await createCluster({ initdb: ['--wal-segsize=1'], settings: { wal_keep_size: '1GB' } });
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql(transactions.split('\n').slice(0, 4).join('\n'));
    await cluster.stop('fast');
    const { start, bytes } = readLog(cluster);
    const marks = createWalScanner({ segmentBytes: 1 << 20 }).feed(start, bytes);
    assert.ok(marks.length > 2);
    const scanner = createWalScanner({ segmentBytes: 1 << 20 });
    scanner.feed(start, bytes);
    assert.ok(scanner.stopped);
    assert.ok(scanner.stopped.lsn >= marks.at(-1)!.endLsn);

    const last = marks.at(-1)!;
    const damaged = Buffer.from(bytes);
    const at = Number(last.lsn - start) + 30;
    damaged[at] = damaged[at]! ^ 1;
    const other = createWalScanner({ segmentBytes: 1 << 20 });
    assert.deepEqual(other.feed(start, damaged), marks.slice(0, -1));
    assert.deepEqual(other.stopped, { lsn: last.lsn, reason: 'a record has a wrong checksum' });
  });
});

describe('the newest server', { skip: missingServer('newest') }, () => {
  test('says the same of the times of its commits', async (t) => {
    const cluster = await createCluster({
      server: 'newest',
      settings: { wal_keep_size: '1GB', track_commit_timestamp: 'on', max_prepared_transactions: 10 },
    });
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql(transactions);
    const rows = await cluster.sql(`
      select x, round(extract(epoch from pg_xact_commit_timestamp(x::text::xid)) * 1000, 3)
      from generate_series(3, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1) x
      where pg_xact_commit_timestamp(x::text::xid) is not null order by 1`);
    await cluster.stop('fast');
    const found = new Map<number, string>();
    for (const mark of scan(readLog(cluster), 16 << 20, () => 50_000)) {
      if (mark.kind === 'commit' || mark.kind === 'commit-prepared')
        found.set(mark.xid, mark.timeMs.toFixed(3));
    }
    // initdb keeps no times; a subtransaction has that of its transaction, and no record of its own.
    const told = new Map(rows.split('\n').map((row) => row.split('|') as [string, string]));
    const first = Math.min(...[...told.keys()].map(Number));
    const ended = [...found].filter(([xid]) => xid >= first);
    assert.ok(ended.length > 5);
    for (const [xid, time] of ended) assert.equal(time, told.get(String(xid)), `transaction ${xid}`);
    assert.deepEqual(new Set(ended.map(([, time]) => time)), new Set(told.values()));
  });
});

describe('the header of a segment', () => {
  const header = (): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt16LE(0xd110, 0);
    bytes.writeUInt16LE(2, 2);
    bytes.writeUInt32LE(3, 4);
    bytes.writeBigUInt64LE(0x1_0300_0000n, 8);
    bytes.writeBigUInt64LE(18_000_000_000_000_000_001n, 24);
    bytes.writeUInt32LE(16 << 20, 32);
    bytes.writeUInt32LE(8192, 36);
    return bytes;
  };

  test('names the cluster and the position', () => {
    assert.deepEqual(readSegmentHeader(header()).header, {
      major: 15,
      timeline: 3,
      pageLsn: 0x1_0300_0000n,
      systemIdentifier: '18000000000000000001',
      segmentBytes: 16 << 20,
      blockBytes: 8192,
    });
  });

  test('is refused with its reason where it is none', () => {
    const cases: [(bytes: Buffer) => void, RegExp][] = [
      [(bytes) => bytes.writeUInt16LE(0xd101, 0), /begins with 0xD101/],
      [(bytes) => bytes.writeUInt16LE(0, 2), /no header of a segment/],
      [(bytes) => bytes.writeUInt32LE(5, 32), /segments have 5 bytes/],
      [(bytes) => bytes.writeUInt32LE(0, 36), /pages have 0 bytes/],
      [(bytes) => bytes.writeBigUInt64LE(8192n, 8), /amid a segment/],
    ];
    for (const [spoil, reason] of cases) {
      const bytes = header();
      spoil(bytes);
      const result = readSegmentHeader(bytes);
      assert.equal(result.header, null);
      assert.match(result.reason ?? '', reason);
    }
    assert.match(readSegmentHeader(Buffer.alloc(10)).reason ?? '', /too short/);
  });
});
