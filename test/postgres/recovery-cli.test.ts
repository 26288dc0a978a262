import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lifeboat } from '../programs.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { missingServer } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

/** What the command line says of windows, plans and recoveries; a receiver has brought the log in. */

interface Windows {
  clusters: { timelines: { windows: { startLsn: string; endLsn: string }[] }[] }[];
}

describe('lifeboat restore of a source', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let workspace: Workspace;
  let before2: string;

  async function windows(): Promise<Windows> {
    const { stdout } = await workspace.lifeboat(['windows', sourceName, '--json']);
    return (JSON.parse(stdout) as Windows[])[0]!;
  }

  before(async () => {
    cluster = await createCluster();
    await cluster.start();
    workspace = await createWorkspace({ cluster, journal: { 'max-lag': '200ms' } });
    const receiver = spawn(lifeboat().path, ['wal', 'receive'], {
      env: { ...process.env, LIFEBOAT_CONFIG: workspace.configPath, DATABASE_URL: cluster.url },
      stdio: 'ignore',
    });
    await cluster.sql('create table t (n int); insert into t values (1); create table other (n int)');
    const made = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(made.status, 0, made.stderr);
    await cluster.sql('insert into t values (2)');
    before2 = await cluster.sql('select clock_timestamp()');
    await sleep(20);
    await cluster.sql('delete from t');
    const wanted = await cluster.sql('select pg_current_wal_flush_lsn()');
    const reached = async (): Promise<boolean> =>
      ((await windows()).clusters[0]?.timelines[0]?.windows.at(-1)?.endLsn ?? '') >= wanted;
    while (!(await reached())) await sleep(50);
    receiver.kill('SIGTERM');
    await once(receiver, 'exit');
  });
  after(async () => {
    workspace?.destroy();
    await cluster?.destroy();
  });

  const restore = (...args: string[]) => workspace.lifeboat(['restore', sourceName, ...args]);

  test('shows the points that there are, in times that can be given back', async () => {
    const { stdout } = await workspace.lifeboat(['windows']);
    assert.match(
      stdout,
      /^app-db in local\n {2}timeline 1\n {4}from 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d(?::\d\d)? to 20/,
    );
  });

  test('prints its plan and changes nothing with --dry-run', async () => {
    const target = join(workspace.folder, 'planned');
    const { stdout, stderr, status } = await restore('--to', before2, '--target', target, '--dry-run');
    assert.equal(status, 0);
    for (const line of [
      /^To +the time /m,
      /^Log +0\/.* complete, from local$/m,
      /^Disk +.* free at /m,
      /^Steps +1\. /m,
    ])
      assert.match(stdout, line);
    assert.match(stdout, /recovery_target_time = '20/);
    assert.match(stdout, /^Note +the original runs .* so the copy gets port \d+$/m);
    assert.equal(stderr, '');
    assert.equal(existsSync(target), false);
    const json = await restore('--to', before2, '--target', target, '--dry-run', '--json');
    const plan = JSON.parse(json.stdout.split('\n')[0]!) as { message_type: string; mode: string };
    assert.deepEqual([plan.message_type, plan.mode], ['plan', 'fresh']);
  });

  test('brings one table back as it was, and removes the server that it came from', async () => {
    const scratch = join(workspace.folder, 'scratch');
    mkdirSync(scratch, { mode: 0o755 });
    const there = await restore('--to', before2, '--table', 'public.t', '--target', scratch);
    assert.match(there.stderr, /has public\.t already.*--drop/s);
    await cluster.sql('alter table t rename to emptied');
    const done = await restore('--to', before2, '--table', 't', '--target', scratch);
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stdout, /the scratch server is removed/);
    assert.equal(await cluster.sql("select string_agg(n::text, ',' order by n) from t"), '1,2');
    assert.equal(await cluster.sql('select count(*) from emptied'), '0');
    assert.deepEqual(readdirSync(scratch), []);
  });

  test('refuses what would run over a server, and what makes no sense', async () => {
    const refusals: [string[], RegExp][] = [
      [['--yes'], /a server runs in .*--stop-server/s],
      [[], /a server runs in .*--stop-server/s],
      [['--stop-server'], /no terminal to ask on/],
      [['--to', '2026-01-01 10:00'], /does not say its time zone.*"2026-01-01 10:00[+-]/s],
      [['--delete'], /--delete makes no sense for a database/],
      [['--jobs', '2'], /--jobs makes no sense here: app-db is backed up physically/],
      [['--amcheck', '--no-start'], /cannot be used together/],
      [['--tablespace', 'x'], /OLD=NEW/],
    ];
    for (const [args, message] of refusals) {
      const { status, stderr } = await restore(...args);
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
    const snapshot = await workspace.lifeboat(['restore', 'latest', '--to', 'latest', '--target', '/x']);
    assert.match(snapshot.stderr, /--to makes no sense here: "latest" is no source/);
    assert.equal(await cluster.sql('select count(*) from other'), '0');
  });

  test('in place stops the server, brings it back as it was, checks it and starts it again', async () => {
    const done = await restore('--to', before2, '--stop-server', '--amcheck', '--yes');
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stdout, /recovered to the time .*: stopping before commit/);
    assert.match(done.stdout, /pg_amcheck looked at \d databases: all is well/);
    assert.match(done.stdout, /the server accepts connections at /);
    assert.equal(await cluster.sql("select string_agg(n::text, ',' order by n) from t"), '1,2');
    assert.equal(await cluster.sql('select count(*) from pg_extension where extname = $$amcheck$$'), '0');
    assert.equal(await cluster.sql('show restore_command'), '');
  });
});
