import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lifeboat } from '../programs.ts';
import { createCluster, runAsServer, serverFolder, superuser } from './cluster.ts';
import { eventually } from './journal-site.ts';
import { own } from './physical-site.ts';
import { asServerAccount, missingServer } from './programs.ts';
import { createRecoverySite } from './recovery-site.ts';
import { createWorkspace, sourceName } from './workspace.ts';

const rows = "select string_agg(n::text, ',' order by n) from t";

describe('a recovery', { skip: missingServer('debian') }, () => {
  test('leaves the log where a link leads it, in place, and makes a folder of it elsewhere', async (t) => {
    const logFolder = serverFolder();
    t.after(() => rmSync(logFolder, { recursive: true, force: true }));
    const site = await createRecoverySite({ initdb: ['-X', join(logFolder, 'wal')] });
    t.after(() => site.destroy());
    const { cluster } = site;
    await cluster.sql('create table t (n int); insert into t values (1)');
    await site.backup();
    await cluster.sql('insert into t values (2)');
    await site.ship();
    await cluster.sql('insert into t values (3)');
    await cluster.stop();
    const link = join(cluster.data, 'pg_wal');
    assert.ok(lstatSync(link).isSymbolicLink());

    const report = await site.recover('latest', { dataDirectory: cluster.data });
    assert.equal(report.plan.mode, 'in-place');
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.equal(existsSync(join(logFolder, 'wal', 'lifeboat')), false);
    assert.equal(await cluster.sql(rows), '1,2');
    await cluster.stop();

    // All of it is lost but the link, as after a change of disks.
    for (const name of readdirSync(cluster.data))
      if (name !== 'pg_wal') rmSync(join(cluster.data, name), { recursive: true });
    rmSync(link);
    rmSync(join(logFolder, 'wal'), { recursive: true });
    const again = await site.recover('latest', { dataDirectory: cluster.data });
    assert.equal(again.plan.mode, 'fresh');
    assert.ok(lstatSync(link).isDirectory());
    assert.equal(await cluster.sql(rows), '1,2');
    await cluster.stop();

    const target = join(site.folder, 'elsewhere');
    const far = join(logFolder, 'far');
    for (const made of [target, far]) {
      mkdirSync(made, { mode: 0o700 });
      own(made);
    }
    symlinkSync(far, join(target, 'pg_wal'));
    await assert.rejects(site.recover('latest', { dataDirectory: target }), {
      code: 'recovery-target-not-empty',
    });
  });

  test('lays down a standby, which follows its primary once it is told where that is', async (t) => {
    const site = await createRecoverySite();
    t.after(() => site.destroy());
    const { cluster } = site;
    await cluster.sql('create table t (n int); insert into t values (1)');
    await site.backup();
    await cluster.sql('insert into t values (2)');
    await site.ship();
    const target = join(site.folder, 'standby');
    const { server } = await site.recover('latest', { dataDirectory: target, standby: true, start: false });
    assert.equal(server, null);
    assert.ok(existsSync(join(target, 'standby.signal')));
    assert.ok(!existsSync(join(target, 'recovery.signal')));
    appendFileSync(
      join(target, 'postgresql.auto.conf'),
      `primary_conninfo = 'host=${cluster.folder} port=${cluster.port} user=${superuser}'\n`,
    );
    const standby = await createCluster({ data: target });
    t.after(() => standby.destroy());
    await standby.start();
    await cluster.sql('insert into t values (3)');
    await eventually('the standby has all', async () => (await standby.sql(rows)) === '1,2,3');
    assert.equal(await standby.sql('select pg_is_in_recovery()'), 't');
    assert.equal(await standby.sql('select status from pg_stat_wal_receiver'), 'streaming');
  });

  test('whose program is killed while the server replays leaves no server that is wrong, and is resumed', async (t) => {
    const cluster = await createCluster({ initdb: ['--wal-segsize=1'] });
    t.after(() => cluster.destroy());
    await cluster.start();
    const workspace = await createWorkspace({ cluster, journal: { 'max-lag': '200ms' } });
    t.after(() => workspace.destroy());
    const receiver = workspace.start(['wal', 'receive']);
    await cluster.sql('create table t (n int)');
    const made = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(made.status, 0, made.stderr);
    for (let part = 0; part < 20; part++)
      await cluster.sql(`insert into t select generate_series(1, 25000); select pg_switch_wal()`);
    await cluster.sql('insert into t values (0)');
    const time = await cluster.sql('select clock_timestamp()');
    await sleep(20);
    await cluster.sql('delete from t');
    const end = await cluster.sql('select pg_current_wal_flush_lsn()');
    await eventually('all is stored', async () => {
      const { stdout } = await workspace.lifeboat(['wal', 'status', '--json']);
      return stdout.includes(end);
    });
    receiver.kill('SIGTERM');
    await once(receiver, 'exit');
    const folder = serverFolder();
    const target = join(folder, 'data');
    t.after(() => {
      const stop = ['-D', target, '-m', 'immediate', 'stop'];
      spawnSync(join(cluster.bin, 'pg_ctl'), stop, { ...asServerAccount(), cwd: '/' });
      rmSync(folder, { recursive: true, force: true });
    });
    const args = ['restore', sourceName, '--to', time, '--target', target, '--yes'];
    const pidFile = join(target, 'postmaster.pid');
    const pid = (): string => (existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n')[0]! : '');
    const leftRunning: boolean[] = [];
    for (const afterMs of [0, 100, 300]) {
      const child = spawn(lifeboat().path, args, {
        env: { ...process.env, LIFEBOAT_CONFIG: workspace.configPath, DATABASE_URL: cluster.url },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      while (!existsSync(join(target, 'lifeboat-restore.json')) && child.exitCode === null) await sleep(2);
      const earlier = pid();
      while ((pid() === '' || pid() === earlier) && child.exitCode === null) await sleep(2);
      await sleep(afterMs);
      child.kill('SIGKILL');
      await exited;
      leftRunning.push(existsSync(pidFile));
      // Whoever is left over listens in a private folder, where nobody finds it.
      if (existsSync(pidFile)) {
        const lines = readFileSync(pidFile, 'utf8').split('\n');
        assert.doesNotMatch(lines[4] ?? '', new RegExp(cluster.folder));
        assert.equal(lines[5]?.trim() ?? '', '');
      }
      assert.ok(existsSync(join(target, 'lifeboat-restore.json')));
    }
    assert.ok(leftRunning.includes(true), 'a server was replaying when its program was killed');
    const again = await workspace.lifeboat(args);
    assert.equal(again.status, 0, again.stderr);
    const at = /connections at (\S+) port (\d+)/.exec(again.stdout)!;
    const psql = ['-XAtq', '-h', at[1]!, '-p', at[2]!, '-U', superuser, '-d', 'postgres', '-c'];
    const count = await runAsServer(join(cluster.bin, 'psql'), [...psql, 'select count(*) from t']);
    assert.equal(count.trim(), String(20 * 25_000 + 1));
    assert.equal(existsSync(join(target, 'lifeboat-restore.json')), false);
  });
});
