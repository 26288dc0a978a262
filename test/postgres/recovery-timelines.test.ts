import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LifeboatError } from '../../src/core/errors.ts';
import { createCluster, runAsServer } from './cluster.ts';
import { asServerAccount, missingServer } from './programs.ts';
import { createRecoverySite, type RecoverySite, segmentBytes } from './recovery-site.ts';

async function rowsOf(data: string, settings = {}): Promise<string> {
  const cluster = await createCluster({ data, settings });
  await cluster.start();
  try {
    while ((await cluster.sql('select pg_is_in_recovery()')) === 't') await sleep(20);
    return await cluster.sql("select string_agg(n::text, ',' order by n) from t");
  } finally {
    await cluster.destroy();
  }
}

/** What is said where a restore is refused; what it left behind cannot start. */
async function refusal(attempt: Promise<unknown>, data: string, code: string): Promise<string> {
  let message = '';
  await assert.rejects(attempt, (error: LifeboatError) => {
    message = `${error.message} (${error.hint})`;
    assert.equal(error.code, code, message);
    return true;
  });
  assert.equal(existsSync(join(data, 'global/pg_control')), false, 'nothing that could start');
  return message;
}

const piecesOf = (site: RecoverySite): string[] =>
  readdirSync(join(site.folder, 'repository/lifeboat/journal'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /[0-9A-F]{24}-/.test(name))
    .sort()
    .map((name) => join(site.folder, 'repository/lifeboat/journal', name));

describe('a recovery', { skip: missingServer('debian') }, () => {
  let site: RecoverySite;
  let tablespace: string;
  let fork: { lsn: string; time: string };

  before(async () => {
    site = await createRecoverySite();
    const { cluster } = site;
    tablespace = join(cluster.folder, 'tablespace');
    mkdirSync(tablespace);
    const { uid, gid } = asServerAccount();
    if (uid !== undefined && gid !== undefined) chownSync(tablespace, uid, gid);
    await cluster.sql(`create tablespace far location '${tablespace}'`);
    await cluster.sql('create table t (n int) tablespace far; insert into t values (1)');
    await site.backup();
    await cluster.sql('insert into t values (2)');
    fork = {
      lsn: await cluster.sql('select pg_current_wal_insert_lsn()'),
      time: await cluster.sql('select clock_timestamp()'),
    };
    await sleep(20);
    await cluster.sql('insert into t values (3)');
    await site.ship();
    await cluster.stop();
    // The cluster itself goes back to before the third row: timeline 2 begins.
    await site.recover(`lsn:${fork.lsn}`, { dataDirectory: cluster.data });
    await cluster.sql('insert into t values (20)');
    await site.ship();
    await cluster.stop();
  });
  after(() => site?.destroy());

  const moved = (
    name: string,
  ): { dataDirectory: string; tablespaces: Map<string, string>; start: false } => ({
    dataDirectory: join(site.folder, name),
    tablespaces: new Map([[tablespace, join(site.folder, `${name}-far`)]]),
    start: false,
  });

  test('in place moves nothing and begins a timeline that the journal then has', async () => {
    assert.equal(
      readlinkSync(
        join(site.cluster.data, 'pg_tblspc', readdirSync(join(site.cluster.data, 'pg_tblspc'))[0]!),
      ),
      tablespace,
    );
    const { plan } = await site.prepare('latest', moved('planned'));
    assert.deepEqual(
      plan.timelines.map(({ timeline }) => timeline),
      [1, 2],
    );
  });

  test('follows the newest timeline, with tablespaces at other places', async () => {
    const where = moved('newest');
    await site.recover('latest', where);
    const link = join(
      where.dataDirectory,
      'pg_tblspc',
      readdirSync(join(where.dataDirectory, 'pg_tblspc'))[0]!,
    );
    assert.equal(readlinkSync(link), join(site.folder, 'newest-far'));
    assert.equal(await rowsOf(where.dataDirectory), '1,2,20');
    assert.equal(readdirSync(join(site.folder, 'newest-far')).length, 1);
  });

  test('follows an older timeline where it is named', async () => {
    const where = moved('older');
    await site.recover('latest', { ...where, timeline: 1 });
    assert.equal(await rowsOf(where.dataDirectory), '1,2,3');
    // The timeline that it begins is a new one, although it knows nothing of the second.
    assert.ok(readdirSync(join(where.dataDirectory, 'pg_wal')).includes('00000003.history'));
  });

  test('along a timeline that left before the backup ended is refused', async () => {
    const where = moved('unrelated');
    const { cluster } = site;
    await cluster.start();
    await site.backup();
    await cluster.stop();
    const message = await refusal(
      site.recover('immediate', { ...where, timeline: 9 }),
      where.dataDirectory,
      'recovery-timeline',
    );
    assert.match(message, /known timelines are 1, 2/);
  });

  test('into a tablespace folder that others use is refused', async () => {
    const where = { ...moved('taken'), tablespaces: new Map() };
    const message = await refusal(
      site.recover('latest', where),
      where.dataDirectory,
      'recovery-target-not-empty',
    );
    assert.match(message, /holds a tablespace already.*--tablespace/);
  });

  test('without a slice that it needs is refused, with the way out', async () => {
    const pieces = piecesOf(site).filter((name) => name.includes('/0000000100000000/'));
    // What follows it is there.
    const needed = pieces.at(-2)!;
    const bytes = readFileSync(needed);
    rmSync(needed);
    try {
      const where = moved('missing');
      const message = await refusal(
        site.recover('latest', { ...where, timeline: 1 }),
        where.dataDirectory,
        'recovery-target-unreachable',
      );
      assert.match(message, /the log from .* is missing.*--to lsn:/);
    } finally {
      writeFileSync(needed, bytes);
    }
  });

  test('with a corrupted slice ends with an error and no server', async () => {
    const needed = piecesOf(site)
      .filter((name) => name.includes('/0000000100000000/'))
      .at(-1)!;
    const bytes = readFileSync(needed);
    const broken = Buffer.from(bytes);
    broken[broken.length >> 1]! ^= 0xff;
    writeFileSync(needed, broken);
    try {
      for (const start of [true, false]) {
        const where = { ...moved(`corrupted-${start}`), start };
        const message = await refusal(
          site.recover('latest', { ...where, timeline: 1 }),
          where.dataDirectory,
          'journal-damaged',
        );
        assert.match(message, /cannot be read/);
        assert.equal(existsSync(join(where.dataDirectory, 'postmaster.pid')), false);
      }
    } finally {
      writeFileSync(needed, bytes);
    }
  });

  test('onto a disk that is full ends with an error, and run again with room it succeeds', {
    skip: process.getuid?.() !== 0 && 'needs root',
  }, async (t) => {
    const disk = join(site.folder, 'disk');
    mkdirSync(disk);
    const mount = (...args: string[]): number | null => spawnSync('mount', args).status;
    if (mount('-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk) !== 0) return t.skip('cannot mount');
    t.after(() => spawnSync('umount', [disk]));
    const { uid, gid } = asServerAccount();
    chownSync(disk, uid!, gid!);
    const where = { ...moved('on-disk'), dataDirectory: join(disk, 'data') };
    const refused = await refusal(site.recover('latest', where), where.dataDirectory, 'target-failed');
    assert.match(refused, /MiB free and .* are needed; nothing was changed/);
    // Others may fill the disk while the restore is under way.
    mount('-o', 'remount,size=60m', disk);
    const prepared = await site.prepare('latest', where);
    mount('-o', 'remount,size=12m', disk);
    const full = await refusal(site.execute(prepared), where.dataDirectory, 'target-failed');
    assert.match(full, /ENOSPC|No space|no space/);
    mount('-o', 'remount,size=200m', disk);
    const report = await site.recover('latest', where);
    assert.equal(report.plan.mode, 'resume');
    assert.equal(await rowsOf(where.dataDirectory), '1,2,20');
  });

  test('leaves everything to the account of the server, readable by nobody else', async () => {
    const where = moved('owned');
    await site.recover('immediate', where);
    const { uid = process.getuid?.() } = asServerAccount();
    const names = readdirSync(where.dataDirectory, { recursive: true, encoding: 'utf8' });
    const strangers = names.filter((name) => {
      const path = join(where.dataDirectory, name);
      return !name.startsWith('pg_tblspc/') && statSync(path).uid !== uid;
    });
    assert.deepEqual(strangers, []);
    assert.equal(statSync(where.dataDirectory).mode & 0o777, 0o700);
    await runAsServer(join(site.cluster.bin, 'pg_controldata'), [where.dataDirectory]);
    assert.equal(segmentBytes, 1024 * 1024);
  });
});
